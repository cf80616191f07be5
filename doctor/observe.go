package doctor

import (
	"context"
	"io/fs"
	"os"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// Target is one profile with the service that it should have.
type Target struct {
	Profile profiles.Profile
	Host    servicegen.Host
	Unit    servicegen.Unit
	Spec    servicegen.Spec
	Env     func(string) (string, bool) // for what pass_env names
	// JournalDir is where repairs keep their journals, "" for a directory in the state
	// dir. For who has more rights than the owner of the state dir it must lie
	// elsewhere, and KeyFile too.
	JournalDir string
	KeyFile    string // absolute; holds the key of the journals, where no gateway can read it; made when needed
	// AsRoot runs what changes files of the machine and what reads or writes journals in
	// JournalDir, for a process of root that acts as the user of the service; nil when
	// whoever runs this does everything alike.
	AsRoot func(do func() error) error
}

// Observation is everything that was seen of a target at one moment.
type Observation struct {
	Disk     servicegen.OnDisk
	State    servicegen.State
	StateErr error              // the manager could not be asked
	Process  *proctable.Process // the service's main process, nil if none

	Config               *config.Snapshot // nil when it could not be read
	ConfigErr            error
	Check                config.Check // what a start would meet
	CheckErr             error
	ConfigFile, StateDir fs.FileInfo // nil when missing
	StateDirUID          int         // -1 when unknown

	port       int                  // that a start would take
	Listeners  []proctable.Listener // on the port that a start would take
	Supervisor *control.Status      // nil when none runs the profile, or it does not answer
	MutePID    int                  // of a supervisor that runs the profile and does not answer
	MuteErr    error                // what came instead of an answer
	Wish       string               // what a person last asked for, "" if nothing
	Gateway    int                  // pid that holds the state dir's gateway lock, 0 if none

	Places   map[string]Seen    // what remedies may change, by path; see Observation.at
	Setup    []config.Placement // what setup would make
	SetupErr error

	Unfinished []string // IDs of journals that were interrupted, or are under way
}

// Observe looks at everything and changes nothing. What cannot be seen is part
// of the observation.
func Observe(ctx context.Context, t Target) Observation { return observe(ctx, t, proctable.Listeners) }

// observe is Observe with another way to look at a port; nil leaves that to the caller.
func observe(ctx context.Context, t Target, listeners func(port int) ([]proctable.Listener, error)) Observation {
	o := Observation{StateDirUID: -1}
	if t.Unit.Path != "" {
		o.Disk = servicegen.Observe(t.Host.Format(), t.Unit.Path)
	}
	o.State, o.StateErr = t.Host.State(ctx, t.Unit)
	if o.StateErr == nil && o.State.MainPID != 0 {
		if p, err := proctable.Get(o.State.MainPID); err == nil {
			o.Process = &p
		}
	}
	observeConfig(ctx, t, &o)
	if client, info, err := control.Find(t.Profile); err == nil {
		st, err := client.Status(ctx)
		switch {
		case err == nil:
			o.Supervisor = &st
		case proctable.Alive(info.PID, info.StartTime): // it was not just ending
			o.MutePID, o.MuteErr = info.PID, err
		}
	}
	o.Wish = control.Wanted(t.Profile)
	if h, ok := statelock.Find(t.Profile); ok {
		o.Gateway = h.PID
	}
	o.port = t.Profile.Port
	if o.CheckErr == nil && o.Check.Port != 0 {
		o.port = o.Check.Port
	}
	if listeners != nil {
		o.Listeners, _ = listeners(o.port) // a table that cannot be read shows nobody
	}
	observeForEdits(t, &o)
	return o
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
	if o.Config, o.ConfigErr = config.LoadProfile(t.Profile, lookup); o.ConfigErr == nil {
		o.Check, o.CheckErr = config.CheckProfile(ctx, t.Profile, lookup)
	}
}
