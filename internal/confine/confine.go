// Package confine owns the walls that a process puts up around itself and all
// that it starts: Landlock rules, no_new_privs, limits, umask and OOM score. They
// cannot be taken down again, and descendants inherit them.
//
// It knows no profile and no gateway: a Policy names the paths. It does not wall
// off the network, signals or processes; docs/isolation.md lists what gets through.
package confine

// Mode is how far a process is confined.
type Mode string

// The modes.
const (
	Standard Mode = "standard" // own paths and those of Policy.Allow
	Strict   Mode = "strict"   // own paths
	Off      Mode = "off"      // neither Landlock nor no_new_privs; limits, umask and OOM score all the same
)

// Policy says what the process may use. Paths are absolute, need not exist and
// may be symlinks: what counts is the place that they lead to now. Where two
// fields name places one inside the other, the inner one counts, and for the
// same place the later field of this struct.
type Policy struct {
	Mode Mode
	// Homes are hidden but for what the other fields name in them.
	Homes []string
	// Allow may be read, written and executed in mode Standard, unless Deny names it or a place around it.
	Allow []string
	// ReadWrite is the process's own: it may be read, written and executed.
	ReadWrite []string
	// Temp is a directory of its own for temporary files. It is made, with mode 0700, when it is missing.
	Temp string
	// ReadOnly may be read even in a home, and never written even in what Allow names.
	ReadOnly []string
	// Deny is hidden: what belongs to others.
	Deny []string
}

// Report says what holds after Apply, for people. A step that this system cannot
// do is no error: it is in Missing.
type Report struct {
	Mode     Mode
	Landlock int      // version of the kernel's interface whose rules are in force; 0: none are
	Applied  []string // what is in force
	Missing  []string // what is not, or not as the policy has it, and why
}

func (r *Report) applied(what string) { r.Applied = append(r.Applied, what) }
func (r *Report) missing(what string) { r.Missing = append(r.Missing, what) }
