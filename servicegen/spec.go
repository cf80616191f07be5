// Package servicegen owns the service files of coderclaw and the managers that
// read them: what a unit or a plist should say (Spec), how it is written and
// read back, where two views of it differ, and how systemd, launchd and the
// rest are told about it (Host).
//
// Everything up to Host is a function of values and works on any system. The
// package decides nothing about repairs (package doctor does), runs no
// supervisor, and imports neither of them.
package servicegen

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coderclaw/coderclaw/profiles"
)

// Scope says whose manager runs a unit.
type Scope string

// The scopes. The zero value means ScopeUser.
const (
	ScopeUser   Scope = "user"   // the manager of one user
	ScopeSystem Scope = "system" // the manager of the machine
)

// Format is the kind of service definition that a host's manager reads.
type Format string

// The formats.
const (
	FormatSystemd   Format = "systemd"   // a unit file
	FormatLaunchd   Format = "launchd"   // a property list
	FormatKardianos Format = "kardianos" // whatever github.com/kardianos/service writes; no file of ours
)

// EnvVar is one variable of a service's environment.
type EnvVar struct{ Name, Value string }

// Spec is what one service definition should say, apart from what is the same
// for all. It is a value; the zero value is not valid. It never holds a secret.
type Spec struct {
	Format      Format
	Scope       Scope
	Name        string           // unit file name ("coderclaw-gateway.service"), launchd label, or service name; a systemd name that ends in .socket makes it a socket unit
	Profile     string           // the profile that the service runs
	Description string           // one line for people
	Version     string           // of the generator
	Exec        []string         // argv, Exec[0] absolute
	Env         []EnvVar         // sorted by name, every name with envPrefix
	StopTimeout time.Duration    // what the manager grants a stop before it kills
	LogDir      string           // launchd only: where the first lines of a start go
	User        string           // system scope only: the account to run as, "" means root
	Group       string           // system scope only: its group, "" means the account's own
	Unconfined  bool             // systemd, user scope only: tools may gain privileges, so nothing is hardened
	Writable    []string         // systemd, system scope only: absolute paths to write to that ProtectSystem would close, sorted
	Socket      string           // systemd only: the socket unit that holds the service's listeners, "" for none
	Listen      []netip.AddrPort // of a socket unit: what it listens on, the profile's first address first
}

// SpecOptions is what a profile does not know of its service.
type SpecOptions struct {
	Format       Format // required
	Scope        Scope  // zero: ScopeUser
	Exe          string // absolute path of the program to run; a symlink that updates follow is best
	RegistryPath string // absolute path of the registry that the service must read
	Home         string // value of CODERCLAW_HOME, "" when the caller has none
	Version      string // of this build
	User         string // system scope only: the account to run as; "" means root
	Group        string // system scope only: "" means the account's own
	// Listen makes a socket unit hold the listeners of the service: Spec.Socket
	// names it and SocketFor describes it. systemd only; empty for none.
	Listen []netip.AddrPort
}

// envPrefix marks the variables that a unit is ours to decide on. One that a
// hand added under this prefix is drift; all others are foreign and stay.
const envPrefix = "CODERCLAW_"

// ForProfile returns the service that runs a supervisor for p.
//
// The environment holds only what tells the supervisor where its registry is.
// PATH is left out on purpose: the supervisor builds the environment of every
// child by itself, and a PATH copied from the shell that happened to run the
// installation would differ from the one of every other shell, which an audit
// would then call drift.
func ForProfile(p profiles.Profile, o SpecOptions) Spec {
	s := Spec{
		Format:      o.Format,
		Scope:       o.Scope,
		Profile:     p.Name,
		Description: describe(p.Name, o.Version),
		Version:     o.Version,
		Exec:        []string{cleanPath(o.Format, o.Exe), "supervisor", "run", "--profile", p.Name},
		StopTimeout: p.StopTimeout(),
	}
	if s.Scope == "" {
		s.Scope = ScopeUser
	}
	if o.Home != "" {
		s.Env = append(s.Env, EnvVar{"CODERCLAW_HOME", o.Home})
	}
	s.Env = append(s.Env, EnvVar{"CODERCLAW_REGISTRY", o.RegistryPath})
	if s.Scope == ScopeSystem {
		s.User, s.Group = cmp.Or(o.User, rootUser), o.Group // said in words, or the service would have no HOME
	}
	if o.Format == FormatSystemd {
		s.Unconfined = s.Scope == ScopeUser && p.Isolation == profiles.IsolationOff
		if s.Scope == ScopeSystem {
			s.Writable = writable(p, o)
		}
		if len(o.Listen) > 0 {
			s.Socket = socketName(p)
		}
	}
	switch o.Format {
	case FormatLaunchd:
		s.Name = p.LaunchdLabel()
		s.LogDir = p.LogDir()
	case FormatKardianos:
		s.Name = strings.TrimSuffix(p.UnitName(), ".service")
	default:
		s.Name = p.UnitName()
	}
	return s
}

// describe follows spec/services §6: the profile is left out for the default one.
func describe(profile, version string) string {
	var facts []string
	if profile != profiles.Default {
		facts = append(facts, "profile: "+profile)
	}
	if version != "" {
		facts = append(facts, "v"+strings.TrimPrefix(version, "v"))
	}
	if len(facts) == 0 {
		return "CoderClaw Gateway"
	}
	return "CoderClaw Gateway (" + strings.Join(facts, ", ") + ")"
}

// cleanPath removes doubled and trailing slashes, as systemd does when it loads
// a path, so that the file and what the manager shows stay comparable.
func cleanPath(f Format, p string) string {
	if f == FormatKardianos {
		if driveShape().MatchString(p) {
			return p
		}
		return filepath.Clean(p)
	}
	return path.Clean(p)
}

// Render returns the text of the service definition. It fails when Validate
// does, and for FormatKardianos, which has no text of ours.
func (s Spec) Render() ([]byte, error) {
	switch s.Format {
	case FormatSystemd:
		return s.Systemd()
	case FormatLaunchd:
		return s.Plist()
	}
	return nil, fmt.Errorf("service %s: format %q has no file to render", s.Name, s.Format)
}

// View returns the spec as the view "desired", to hold against the others.
func (s Spec) View() (View, error) {
	text, err := s.Render()
	if err != nil {
		return View{}, err
	}
	return ParseView(s.Format, s.Scope, text)
}

var (
	nameShape    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@:-]{0,200}$`) })
	envNameShape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^` + envPrefix + `[A-Z0-9_]+$`) })
	versionShape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9A-Za-z.+_~-]*$`) })
	userShape    = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*\$?$`) })
)

// Validate reports what no service file can carry faithfully: control
// characters (a newline would start a directive), text that is not UTF-8, a
// program that is not named by an absolute path.
func (s Spec) Validate() error {
	switch {
	case !nameShape().MatchString(s.Name):
		return fmt.Errorf("service name %q: want letters, digits and . _ @ : -", s.Name)
	case s.Format == FormatSystemd && !s.isSocket() && !strings.HasSuffix(s.Name, ".service"):
		return fmt.Errorf("service name %q: a systemd service ends in .service, its socket in .socket", s.Name)
	case s.Scope != ScopeUser && s.Scope != ScopeSystem:
		return fmt.Errorf("service %s: unknown scope %q", s.Name, s.Scope)
	case s.isSocket():
		return s.validateSocket()
	case len(s.Listen) > 0:
		return fmt.Errorf("service %s: only a socket unit listens", s.Name)
	case s.StopTimeout < time.Second || s.StopTimeout%time.Microsecond != 0:
		return fmt.Errorf("service %s: stop timeout %v: want at least 1s, in whole microseconds", s.Name, s.StopTimeout)
	case s.Socket != "" && (s.Format != FormatSystemd || !strings.HasSuffix(s.Socket, socketSuffix) || !nameShape().MatchString(s.Socket)):
		return fmt.Errorf("service %s: socket unit %q: only systemd has one, and its name ends in .socket", s.Name, s.Socket)
	case s.Unconfined && (s.Format != FormatSystemd || s.Scope != ScopeUser):
		return fmt.Errorf("service %s: only a user's systemd unit can do without hardening", s.Name)
	case len(s.Writable) > 0 && (s.Format != FormatSystemd || s.Scope != ScopeSystem || !slices.IsSorted(s.Writable)):
		return fmt.Errorf("service %s: paths to write to, %q: only in a systemd unit of the machine, and sorted", s.Name, s.Writable)
	case s.User != "" && (s.Scope != ScopeSystem || !userShape().MatchString(s.User)):
		return fmt.Errorf("service %s: user %q: only a plain account name, and only in system scope", s.Name, s.User)
	case s.Group != "" && (s.Scope != ScopeSystem || !userShape().MatchString(s.Group)):
		return fmt.Errorf("service %s: group %q: only a plain group name, and only in system scope", s.Name, s.Group)
	case len(s.Exec) == 0 || !s.absolute(s.Exec[0]):
		return fmt.Errorf("service %s: the program to run, %q, is not an absolute path", s.Name, slices.Concat(s.Exec, []string{""})[0])
	case s.LogDir != "" && !s.absolute(s.LogDir):
		return fmt.Errorf("service %s: log directory %q is not an absolute path", s.Name, s.LogDir)
	}
	texts := slices.Concat([]string{s.LogDir}, s.Exec, s.Writable)
	for _, v := range s.Env {
		if !envNameShape().MatchString(v.Name) {
			return fmt.Errorf("service %s: variable %q: only names that start with %s", s.Name, v.Name, envPrefix)
		}
		texts = append(texts, v.Value)
	}
	if !slices.IsSortedFunc(s.Env, func(a, b EnvVar) int { return strings.Compare(a.Name, b.Name) }) {
		return fmt.Errorf("service %s: variables are not sorted by name", s.Name)
	}
	for _, p := range s.Writable {
		if !strings.HasPrefix(p, "/") || path.Clean(p) != p {
			return fmt.Errorf("service %s: path to write to %q is not absolute and clean", s.Name, p)
		}
	}
	return s.carries(texts...)
}

// carries reports what of texts, or of the texts that every service has, no
// service file can hold.
func (s Spec) carries(texts ...string) error {
	switch {
	case !versionShape().MatchString(s.Version) || strings.Contains(s.Version, "--"):
		return fmt.Errorf("service %s: version %q: want letters, digits and . + _ ~ -", s.Name, s.Version)
	case strings.TrimSpace(s.Description) != s.Description || strings.HasSuffix(s.Description, `\`):
		return fmt.Errorf(`service %s: description %q: may not start or end with a space, nor end with \`, s.Name, s.Description)
	}
	for _, t := range append(texts, s.Description) {
		if err := carriable(t); err != nil {
			return fmt.Errorf("service %s: %q: %w; choose another path", s.Name, t, err)
		}
	}
	return nil
}

func (s Spec) absolute(p string) bool {
	if s.Format == FormatKardianos {
		return filepath.IsAbs(p) || driveShape().MatchString(p)
	}
	return strings.HasPrefix(p, "/")
}

var errControl = errors.New("a service file cannot hold a line break or another control character")

func carriable(t string) error {
	if !utf8.ValidString(t) {
		return errors.New("a service file cannot hold text that is not UTF-8")
	}
	if strings.ContainsFunc(t, unicode.IsControl) {
		return errControl
	}
	// XML 1.0 has no spelling for these two, and no path needs them.
	if strings.ContainsAny(t, "\ufffe\uffff") {
		return errControl
	}
	return nil
}
