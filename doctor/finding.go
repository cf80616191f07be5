// Package doctor owns the comparison of what should be with what is: for one
// profile it observes the service in its four views (desired, on disk, loaded,
// running), the config, the directories and the port, turns differences into
// findings with stable codes, and mends those that it can. It prints nothing and
// asks nobody.
package doctor

import (
	"slices"
	"sync"
)

// Severity says how bad a finding is. An info never counts as something left.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // the gateway does not work, or not safely
	Warning Severity = "warning" // it works, but not as it was asked for
	Info    Severity = "info"    // worth knowing
)

// The views in which a finding can be made.
const (
	ViewDisk    = "disk"    // the service file and its drop-ins
	ViewLoaded  = "loaded"  // what the service manager holds
	ViewRunning = "running" // the processes
	ViewConfig  = "config"  // the profile's config and directories
	ViewPort    = "port"
	ViewMachine = "machine" // what the profile shares with others
)

// Finding is one difference between what should be and what is.
type Finding struct {
	Code       Code     `json:"code"`
	Severity   Severity `json:"severity"`
	Profile    string   `json:"profile"`
	View       string   `json:"view"`
	Path       string   `json:"path"` // of the file that it is about, "" if none
	Key        string   `json:"key"`  // setting, "" if it is about the whole
	Have       string   `json:"have"`
	Want       string   `json:"want"`
	Message    string   `json:"message"`
	Fix        string   `json:"fix"`        // what to do or type
	Repairable bool     `json:"repairable"` // --repair mends it
	Aggressive bool     `json:"aggressive"` // only with --force
	Reversible bool     `json:"reversible"` // `doctor undo` takes the repair back
	Repaired   bool     `json:"repaired"`
}

// Code names a kind of finding. Codes are stable: others script against them.
type Code string

// Mending says what `doctor --repair` does about a code.
type Mending string

// The ways of mending.
const (
	ByHand  Mending = "no"                // a person has to decide
	Rewrite Mending = "yes"               // files are written, which `doctor undo` takes back
	Act     Mending = "yes, without undo" // something is started, reloaded or reset, of which nothing is left to take back
	Forced  Mending = "only with --force" // files are written that a person may want as they are; `doctor undo` takes it back
)

// CodeDoc is the reference entry of a code.
type CodeDoc struct {
	Code     Code
	Severity Severity
	Mending  Mending
	Meaning  string // one sentence
	Evidence string // what path, key, have and want of the finding hold
	Remedy   string // what mends it, by --repair or by hand
}

// Repairable tells whether --repair mends the code, if need be with --force.
func (d CodeDoc) Repairable() bool { return d.Mending != ByHand }

// Codes lists every code, in the order of the reference.
func Codes() []CodeDoc {
	return slices.Concat(unitCodes(), dropInCodes(), programCodes(), runningCodes(), stateCodes(), fileCodes(), secretCodes(), portCodes(), machineCodes(), serviceCodes())
}

var docs = sync.OnceValue(func() map[Code]CodeDoc {
	out := map[Code]CodeDoc{}
	for _, d := range Codes() {
		out[d.Code] = d
	}
	return out
})
