package servicegen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Host is one init system. Every method blocks until what it asks for has
// happened or failed, and gives up when ctx ends (the request itself may then
// still be carried out). A Host holds no connection between calls and is safe
// for concurrent use.
type Host interface {
	// Format says which service files the host reads.
	Format() Format
	// Reload makes the manager's copy of u the one on disk. launchd can do that
	// only by unloading a loaded job, which ends it; systemd leaves it running.
	Reload(ctx context.Context, u Unit) error
	// Enable has u started with its manager from now on. It lifts a mask.
	Enable(ctx context.Context, u Unit) error
	// Disable undoes Enable. The service itself is not touched.
	Disable(ctx context.Context, u Unit) error
	// Start returns when u runs and said that it is ready.
	Start(ctx context.Context, u Unit) error
	// Stop returns when u is down; one that is not loaded counts as down.
	Stop(ctx context.Context, u Unit) error
	// Restart is Stop and Start; one that is down is started.
	Restart(ctx context.Context, u Unit) error
	// ResetFailed makes the manager forget failures and its count of starts.
	ResetFailed(ctx context.Context, u Unit) error
	// State reads everything that the manager knows of u. A unit that it does not
	// know is no error: LoadState is then LoadNotFound.
	State(ctx context.Context, u Unit) (State, error)
}

// State is the view "loaded" and what runs of it, in systemd's words; other
// hosts translate. Zero means unknown.
type State struct {
	LoadState      string // LoadLoaded, LoadNotFound, LoadMasked, "bad-setting", "error"
	ActiveState    string // "active", "inactive", "failed", "activating", "deactivating", "reloading"
	SubState       string
	UnitFileState  string // "enabled", "disabled", "masked", "static", …, "" when there is no file; as the manager last read it, see OnDisk.Targets
	Result         string // "success", or why it last ended
	FragmentPath   string // the file that was loaded
	DropIns        []string
	NeedReload     bool // the file is newer than what is loaded
	MainPID        int  // 0 when none runs
	NRestarts      int  // by the manager itself
	ExecMainStatus int  // last exit status of the main process
	Type           string
	Exec           []string // argv that is loaded
	Env            []EnvVar // variables that are loaded, sorted; secrets as fingerprints
	Domain         string   // launchd: where the job is, such as "gui/501"
	View           View     // the managed keys as loaded
}

// Values of LoadState that callers branch on.
const (
	LoadLoaded   = "loaded"
	LoadNotFound = "not-found"
	LoadMasked   = "masked"
)

// Running tells whether a main process is up.
func (s State) Running() bool { return s.MainPID > 0 }

// Enabled tells whether the manager starts the unit by itself.
func (s State) Enabled() bool { return strings.HasPrefix(s.UnitFileState, "enabled") }

// ErrNoBus is what a *NoBusError is, for errors.Is.
var ErrNoBus = errors.New("no service manager answers")

// NoBusError says that the manager of this user cannot be reached: there is no
// login session, no lingering, or no systemd at all.
type NoBusError struct {
	Address string // where it should answer
	Hint    string // what to do
	Err     error
}

func (e *NoBusError) Error() string {
	return fmt.Sprintf("no systemd manager answers at %s: %v; %s", e.Address, e.Err, e.Hint)
}

// Unwrap gives the cause.
func (e *NoBusError) Unwrap() error { return e.Err }

// Is makes errors.Is(err, ErrNoBus) true.
func (e *NoBusError) Is(target error) bool { return target == ErrNoBus }

// JobError says that a manager tried what it was asked for and failed.
type JobError struct {
	Unit, Verb string
	Result     string // systemd's word: failed, timeout, dependency, canceled, …
	Detail     string // what the unit's state adds
}

func (e *JobError) Error() string {
	text := fmt.Sprintf("%s %s: %s", e.Verb, e.Unit, e.Result)
	if e.Detail != "" {
		text += " (" + e.Detail + ")"
	}
	return text
}

// HostOptions is what a Host must know of the machine.
type HostOptions struct {
	Scope       Scope
	UID         int
	Env         Lookup                       // XDG_RUNTIME_DIR, DBUS_SYSTEM_BUS_ADDRESS, USER
	Run         Runner                       // launchctl; nil: the real one
	Exists      func(string) bool            // nil: os.Stat; tells which init system is there
	Read        func(string) ([]byte, error) // nil: os.ReadFile; for small files that tell the same
	RuntimeRoot string                       // where users' runtime directories are; "": /run/user
}

func (o HostOptions) filled() HostOptions {
	if o.Scope == "" {
		o.Scope = ScopeUser
	}
	if o.Env == nil {
		o.Env = func(string) (string, bool) { return "", false }
	}
	if o.Exists == nil {
		o.Exists = func(path string) bool { _, err := os.Stat(path); return err == nil }
	}
	if o.Read == nil {
		o.Read = os.ReadFile
	}
	if o.RuntimeRoot == "" {
		o.RuntimeRoot = "/run/user"
	}
	return o
}

// NativeHost chooses the init system of this machine. On Linux that is systemd
// unless the machine's scope is asked for and another one runs it: of the rest
// none manages services of users.
func NativeHost(goos string, o HostOptions) Host {
	o = o.filled()
	switch goos {
	case "darwin":
		return NewLaunchctl(o)
	case "linux":
		if o.Scope == ScopeUser || o.Exists("/run/systemd/system") || foreignSystem() == nil {
			return NewSystemd(o)
		}
	}
	return NewKardianos(o)
}
