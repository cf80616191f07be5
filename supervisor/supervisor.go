// Package supervisor owns the running set: it takes profiles and keeps one
// gateway child for each, with the listeners, the log and the hand-off that the
// child needs, and answers on a control socket what it does and why. It knows no
// gateway code; how a config is checked is given to it.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// Origins of a supervisor.
const (
	OriginUp  = "up"  // a person typed `up`
	OriginRun = "run" // a service manager, or a person, typed `supervisor run`
)

// Checked is what must be known of a profile before its gateway is started.
type Checked struct {
	Addrs   []netip.AddrPort // to listen on; only the first must succeed
	Port    int
	Hash    string            // of the config
	Env     map[string]string // what the gateway may know of the environment, handed over by pipe
	Problem error             // why it cannot be started, nil if it can
	// Whole is a text of the config that does not depend on other files.
	Whole []byte
	// Live and Serving ask a gateway of this config whether it answers, and whether it wants clients.
	Live, Serving func(context.Context) error
	InUse         error // who else uses the state dir, nil if nobody does; a running child of ours counts
}

// Options says what to supervise and how. Profiles, RegistryPath, Exe, Origin,
// Version, TempDir, Check and Log are required.
type Options struct {
	Profiles     []profiles.Profile
	Siblings     []profiles.Profile // all of the registry, whose directories are hidden from each other
	Home         string             // of the registry: hidden from the gateways but for what is theirs
	RegistryPath string
	Exe          string // the program whose `gateway run` is the child
	Origin       string
	Version      string
	Unit         string   // that started this process, "" if none
	Environ      []string // of this process; what children get of it is decided by Environ
	TempDir      string   // for sockets whose path would be too long in a state dir
	Check        func(ctx context.Context, p profiles.Profile) (Checked, error)
	LastGood     bool // start with the last config that was good where the present one is not
	// Delegated tells whether the service manager says that the control group is ours to
	// divide; nil asks only the kernel.
	Delegated func(group string) bool
	// Orphans has descendants whose parents have ended come to this process, which then
	// ends them. Only the one supervisor of a process may have that.
	Orphans  bool
	Log      *slog.Logger
	Lines    func(profile string, batch []byte) // told what the children print, in whole lines
	OnStatus func(control.Status)               // told each change, from one goroutine

	MemoryEvery      time.Duration            // how often budgets of memory are looked at; 0 means 5 s
	Notify           func(state string) error // tells the service manager; nil when there is none
	WatchdogInterval time.Duration            // within which it wants to hear; 0: never
}

// Supervisor is one running set. Run is to be called once.
type Supervisor struct {
	o       Options
	started time.Time
	units   []*unit
	board   *board
	program program
	trees   *trees        // from Run on
	stop    chan struct{} // closed by a request to end

	territory func() *profiles.Territory // what is whose; looked up when it is first wanted
	stopped   sync.Once
}

// New checks the options. It touches nothing.
func New(o Options) (*Supervisor, error) {
	if len(o.Profiles) == 0 {
		return nil, errors.New("there is no profile to supervise")
	}
	if o.MemoryEvery == 0 {
		o.MemoryEvery = memoryEvery
	}
	s := &Supervisor{o: o, started: time.Now(), stop: make(chan struct{})}
	s.board = newBoard(s.status)
	s.territory = sync.OnceValue(func() *profiles.Territory { return profiles.NewTerritory(o.Home, o.Siblings) })
	return s, nil
}

// Run supervises until ctx ends or it is asked to end, then stops every gateway
// and returns nil. Everything that it started has ended by then.
func (s *Supervisor) Run(ctx context.Context) (err error) {
	locks, err := s.takeLocks()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll(locks)) }()
	socket, err := s.listenControl()
	if err != nil {
		return err
	}
	defer func() { // the server has closed it, unless it never came to serving
		if cerr := socket.Close(); cerr != nil && !errors.Is(cerr, net.ErrClosed) {
			err = errors.Join(err, cerr)
		}
	}()
	defer func() { err = errors.Join(err, s.closeUnits()) }()
	forker := instance.NewForker()
	s.trees = s.newTrees(forker)
	defer func() { err = errors.Join(err, s.trees.close()) }()
	s.o.Log.Info("supervising", "profiles", len(s.o.Profiles), "trees", s.trees.How)
	for _, p := range s.o.Profiles {
		u, err := s.newUnit(p)
		if err != nil {
			return err
		}
		s.units = append(s.units, u)
		if err := s.trees.endSurvivors(ctx, u); err != nil {
			return err
		}
		if u.instance, err = s.newInstance(u, starter{s.trees, u}); err != nil {
			return err
		}
	}
	left := s.newStrays()
	left.end(ctx)
	if err := s.writeLocks(locks, socket.Addr().String()); err != nil {
		return err
	}
	return s.supervise(ctx, socket, forker, left)
}

// supervise runs the instances between the first and the last answer of the control socket.
func (s *Supervisor) supervise(ctx context.Context, socket net.Listener, forker *instance.Forker, left *strays) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	forking, stopForking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopForking()

	var background, children sync.WaitGroup
	background.Go(func() { _ = forker.Run(forking) }) // it fails in no way
	if s.trees.reaper != nil {
		background.Go(func() { _ = s.trees.reaper.Run(forking) }) // nor does this
	}
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	background.Go(func() { s.serveControl(serving, socket) })
	errs := make(chan error, len(s.units))
	for _, u := range s.units {
		children.Go(func() {
			if err := u.instance.Run(ctx); err != nil {
				errs <- fmt.Errorf("profile %s: %w", u.profile.Name, err)
				cancel() // one that cannot even run ends all: its state could not be told
			}
		})
	}
	budgets, stopBudgets := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBudgets()
	for _, u := range s.units {
		background.Go(func() { s.watchMemory(budgets, u) })
	}
	background.Go(func() { left.endLate(budgets) })
	mainLoop := s.notifyReady()
	watched, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWatching()
	background.Go(func() { mainLoop(watched) })

	select {
	case <-ctx.Done():
	case <-s.stop:
	}
	s.o.Log.Info("stopping", "profiles", len(s.units))
	s.notify("STOPPING=1")
	cancel()
	stopBudgets()
	children.Wait()
	if err := s.trees.endAll(); err != nil {
		s.o.Log.Error("something that the gateways started is left", "err", err)
	}
	stopWatching()
	stopServing()
	stopForking()
	background.Wait()
	close(errs)
	var all []error
	for err := range errs {
		all = append(all, err)
	}
	return errors.Join(all...)
}

// Stop asks Run to end. It is safe for concurrent use.
func (s *Supervisor) Stop() { s.stopped.Do(func() { close(s.stop) }) }

// status is everything that can be said now.
func (s *Supervisor) status() control.Status {
	st := control.Status{
		Supervisor: control.Supervisor{PID: os.Getpid(), Version: s.o.Version, Unit: s.o.Unit, Profiles: s.names()},
		Started:    s.started, Origin: s.o.Origin, Instances: []control.Instance{},
	}
	for _, u := range s.units {
		st.Instances = append(st.Instances, u.status())
	}
	return st
}

// names are those of the profiles that are run, sorted.
func (s *Supervisor) names() []string {
	names := make([]string, len(s.o.Profiles))
	for i, p := range s.o.Profiles {
		names[i] = p.Name
	}
	slices.Sort(names)
	return names
}

func (s *Supervisor) closeUnits() error {
	var errs []error
	for _, u := range s.units {
		errs = append(errs, u.close())
	}
	return errors.Join(errs...)
}
