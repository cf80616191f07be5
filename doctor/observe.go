package doctor

import (
	"context"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"time"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor/control"
	"github.com/coderclaw/coderclaw/supervisor/crashes"
)

// Target is one profile with the service that it should have.
type Target struct {
	Profile profiles.Profile
	Host    servicegen.Host
	Unit    servicegen.Unit
	Spec    servicegen.Spec
	Env     func(string) (string, bool) // for what pass_env names, and of the person's shell
	// JournalDir is where repairs keep their journals, "" for a directory in the state
	// dir. For who has more rights than the owner of the state dir it must lie
	// elsewhere, and KeyFile too.
	JournalDir string
	KeyFile    string // absolute; holds the key of the journals, where no gateway can read it; made when needed
	// AsRoot runs what changes files of the machine and what reads or writes journals in
	// JournalDir, for a process of root that acts as the user of the service; nil when
	// whoever runs this does everything alike.
	AsRoot func(do func() error) error

	Profiles *profiles.Registry // nil: what concerns other profiles is not looked at
	// Shared looks at what profiles share, or remembers it; nil: that is not looked at.
	Shared func(context.Context) *Machine
	// Stranger says that the unit runs the profile of this name of another registry; nil: that is not looked at.
	Stranger func() error
	// Linger lets services of the user run without a login; nil: that cannot be asked for.
	Linger func(context.Context) error
}

// Observation is everything that was seen of a target at one moment.
type Observation struct {
	Machine *Machine // nil: what profiles share was not looked at

	Now   time.Time
	Home  string // of the person, "" when unknown
	Owner int    // uid to which the profile's files should belong, -1 when unknown

	Disk       servicegen.OnDisk
	Stranger   error               // see Target.Stranger; nil when it is ours
	DropIns    []servicegen.DropIn // all that the manager lays over the file, in order
	State      servicegen.State
	StateErr   error              // the manager could not be asked
	LoadedFrom string             // another file that the manager loads instead, "" if none
	Process    *proctable.Process // the service's main process, nil if none
	Program    ProgramFact

	Applied              *config.Auth     // what the gateway was started with, nil when that is not known
	Config               *config.Snapshot // nil when it could not be read
	ConfigErr            error
	Check                config.Check // what a start would meet
	CheckErr             error
	ConfigFile, StateDir fs.FileInfo // nil when missing
	StateDirUID          int         // -1 when unknown
	Workspace            PlaceFact
	Files                []FileFact
	Logs                 LogFact
	Space                SpaceFact
	Newest               TimeFact // of the profile's files, the one with the latest time
	Secrets              SecretFact
	Crashes              []crashes.Record

	port         int                  // that a start would take
	Listeners    []proctable.Listener // on the port that a start would take
	PortOwner    string               // the other profile to which that port belongs, "" if none
	Supervisor   *control.Status      // nil when none runs the profile, or it does not answer
	MutePID      int                  // of a supervisor that runs the profile and does not answer
	MuteErr      error                // what came instead of an answer
	Wish         string               // what a person last asked for, "" if nothing
	Gateway      int                  // pid that holds the state dir's gateway lock, 0 if none
	GatewayBelow bool                 // it descends from the supervisor

	Places   map[string]Seen    // what remedies may change, by path; see Observation.at
	Setup    []config.Placement // what setup would make
	SetupErr error

	Unfinished []string // IDs of journals that were interrupted, or are under way

	secretsKnown []string // never to be seen in a finding
}

// Observe looks at everything and changes nothing. What cannot be seen is part
// of the observation.
func Observe(ctx context.Context, t Target) Observation { return observe(ctx, t, proctable.Listeners) }

// observe is Observe with another way to look at a port; nil leaves that to the caller.
func observe(ctx context.Context, t Target, listeners func(port int) ([]proctable.Listener, error)) Observation {
	o := Observation{Now: time.Now(), StateDirUID: -1, Owner: ownerWanted(t.Spec.User)}
	if t.Shared != nil {
		o.Machine = t.Shared(ctx)
	}
	if t.Env != nil {
		o.Home, _ = t.Env("HOME")
	}
	if t.Unit.Path != "" {
		o.Disk = servicegen.Observe(t.Host.Format(), t.Unit.Path)
		if t.Stranger != nil {
			o.Stranger = t.Stranger()
		}
	}
	o.State, o.StateErr = t.Host.State(ctx, t.Unit)
	if o.StateErr == nil && o.State.MainPID != 0 {
		if p, err := proctable.Get(o.State.MainPID); err == nil {
			o.Process = &p
		}
	}
	observeUnit(t, &o)
	o.Files = observeFiles(t)
	observeConfig(ctx, t, &o)
	observeRunning(ctx, t, &o)
	observeApplied(t, &o)
	observePort(t, &o)
	if listeners != nil {
		o.Listeners, _ = listeners(o.port) // a table that cannot be read shows nobody
	}
	o.Logs = observeLogs(t.Profile)
	o.Space = observeSpace(t.Profile.StateDir)
	o.Newest = observeNewest(t.Profile)
	o.Crashes, _ = crashes.Open(t.Profile.CrashDir()).List() // a record that cannot be read shows no crash
	observeSecrets(t, &o)
	observeForEdits(t, &o)
	observeOpen(&o)
	return o
}

// ownerWanted is the uid of the account that a service runs as: of this process
// unless one is named.
func ownerWanted(name string) int {
	if name == "" {
		return os.Geteuid()
	}
	if u, err := user.Lookup(name); err == nil {
		if uid, err := strconv.Atoi(u.Uid); err == nil {
			return uid
		}
	}
	return -1
}

func observeConfig(ctx context.Context, t Target, o *Observation) {
	if info, err := os.Stat(t.Profile.StateDir); err == nil {
		o.StateDir, o.StateDirUID = info, ownerOf(info)
	}
	if info, err := os.Stat(t.Profile.ConfigPath); err == nil {
		o.ConfigFile = info
	}
	lookup, _, err := config.Environment(t.Profile, t.Env)
	if err != nil {
		o.ConfigErr = err
		return
	}
	if o.Config, o.ConfigErr = config.LoadProfile(t.Profile, lookup); o.ConfigErr != nil {
		return
	}
	o.Check, o.CheckErr = config.CheckProfile(ctx, t.Profile, lookup)
	o.Workspace = observePlace(firstOf(o.Check.Workspace, t.Profile.Workspace))
}

// observeRunning finds who runs the profile. A file of another kind in the place
// of a lock is not opened: a pipe would block.
func observeRunning(ctx context.Context, t Target, o *Observation) {
	if !odd(o.Files, t.Profile.SupervisorLock()) {
		if client, info, err := control.Find(t.Profile); err == nil {
			st, err := client.Status(ctx)
			switch {
			case err == nil:
				o.Supervisor = &st
			case proctable.Alive(info.PID, info.StartTime): // it was not just ending
				o.MutePID, o.MuteErr = info.PID, err
			}
		}
	}
	if !odd(o.Files, t.Profile.DesiredFile()) {
		o.Wish = control.Wanted(t.Profile)
	}
	if !odd(o.Files, t.Profile.GatewayLock()) {
		if h, ok := statelock.Find(t.Profile); ok {
			o.Gateway = h.PID
			o.GatewayBelow = o.Supervisor != nil && proctable.IsDescendant(h.PID, o.Supervisor.Supervisor.PID)
		}
	}
}

// observePort finds the port that a start would take, and who else may claim it.
func observePort(t Target, o *Observation) {
	port := t.Profile.Port
	if o.CheckErr == nil && o.Check.Port != 0 {
		port = o.Check.Port
	}
	o.port = port
	if t.Profiles != nil {
		if owner, ok := t.Profiles.Owner(port, t.Profile.Name); ok {
			o.PortOwner = owner.Name
		}
	}
	if o.Machine == nil || o.PortOwner != "" || t.Profile.Block().Contains(port) {
		return
	}
	for name, other := range o.Machine.Ports { // a port outside of all blocks that two configs name
		if name != t.Profile.Name && other == port && (o.PortOwner == "" || name < o.PortOwner) {
			o.PortOwner = name
		}
	}
}
