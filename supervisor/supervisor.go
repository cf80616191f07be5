// Package supervisor owns the running set: it takes profiles and keeps one
// gateway child for each, with the listeners, the log and the hand-off that the
// child needs, and answers on a control socket what it does and why. It knows no
// gateway code; how a config is checked is given to it.
package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/logfile"
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
	Scheme  string            // of the address that clients are told, "" for ws
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
	// Reload reads anew which profiles are to be run, and all of the registry; nil: never.
	Reload   func() (run, siblings []profiles.Profile, err error)
	Check    func(ctx context.Context, p profiles.Profile) (Checked, error)
	LastGood bool // start with the last config that was good where the present one is not
	// Delegated tells whether the service manager says that the control group is ours to
	// divide; nil asks only the kernel.
	Delegated func(group string) bool
	// Orphans has descendants whose parents have ended come to this process, which then
	// ends them. Only the one supervisor of a process may have that.
	Orphans  bool
	Log      *slog.Logger
	Lines    func(profile string, batch []byte) // told what the children print, in whole lines
	OnStatus func(control.Status)               // told each change, from one goroutine; it must not keep the list
	// Look tells what is wrong with the profiles beside own, the names of ours, and by its
	// error why it could not see them all. nil sees none.
	Look func(ctx context.Context, own []string) ([]control.Diagnosis, error)
	// PassEnv is what doctor, run on the profile for a rescue gateway, may know of our
	// environment, handed over by pipe. nil hands over nothing.
	PassEnv func(profile string) map[string]string

	MetricsPort  int           // of 127.0.0.1, on which metrics are shown as well; 0 for none
	MetricsRetry time.Duration // how often a metrics port that is held is tried; 0 means 5 s

	// Args and Environ are those with which a successor takes the place of this supervisor;
	// without Args none can. Successor tells whether one could, Flush makes sure that nothing
	// is left unsaid before. Either may be nil. Run is then to be called on a goroutine that is
	// locked to the first thread of the process, at least where something was Inherited.
	Args      []string
	Successor func(context.Context) error
	Flush     func()
	Inherited *Inherited // what a predecessor has left, nil if there was none
	Activated *Activated // the listeners that the service manager holds, nil if there are none

	MemoryEvery      time.Duration            // how often budgets of memory are looked at; 0 means 5 s
	Notify           func(state string) error // tells the service manager; nil when there is none
	WatchdogInterval time.Duration            // within which it wants to hear; 0: never
}

// Supervisor is one running set. Run is to be called once.
type Supervisor struct {
	o       Options
	started time.Time
	environ []string // what children get of ours
	set     set
	board   *board
	program program
	events  *events
	later   later
	buffers logfile.Buffers
	doctors *doctors
	trees   *trees // from Run on
	reports *instance.Reports
	socket  string       // path of the control socket; from Run on
	gone    []*unit      // of profiles that a predecessor ran and we do not
	ending  atomic.Int32 // how many of them are still there
	gate    *gate        // control socket
	traffic traffic      // on it
	swaps   chan swapRequest
	stop    chan struct{} // closed by a request to end
	stopped sync.Once

	introduction []byte      // what every lock of ours says
	run          func(*unit) // brings a unit to life; from supervise on

	changing  sync.Mutex // held while the set changes, and from the beginning of the end
	territory atomic.Pointer[profiles.Territory]

	generation  int // how often a successor has taken the place of this process's first supervisor
	swapMu      sync.Mutex
	swapFailure string // why the last successor did not, "" if none was tried
}

// New checks the options. It touches nothing.
func New(o Options) (*Supervisor, error) {
	if len(o.Profiles) == 0 {
		return nil, errors.New("there is no profile to supervise")
	}
	if o.MemoryEvery == 0 {
		o.MemoryEvery = memoryEvery
	}
	if o.MetricsRetry == 0 {
		o.MetricsRetry = metricsRetry
	}
	s := &Supervisor{o: o, started: time.Now(), environ: Environ(o.Environ), stop: make(chan struct{}), swaps: make(chan swapRequest), doctors: newDoctors()}
	if a := o.Activated; a != nil {
		a.profiles = len(o.Profiles)
	}
	if in := o.Inherited; in != nil {
		s.started, s.generation = in.Started, in.Generation
	}
	s.board, s.events, s.reports = newBoard(s.status), newEvents(), instance.NewReports(s.notifyPaths)
	return s, nil
}

// Run supervises until ctx ends or it is asked to end, then stops every gateway
// and returns nil. Everything that it started has ended by then.
func (s *Supervisor) Run(ctx context.Context) (err error) {
	defer debug.SetGCPercent(debug.SetGCPercent(startGCPercent))
	go makeRoom(len(s.o.Profiles))
	units, err := s.lockedUnits(s.o.Profiles, s.o.Inherited)
	if err != nil {
		return err
	}
	s.set.put(units)
	defer func() { err = errors.Join(err, closeAll(s.set.list())) }()
	socket, err := s.listenControl()
	if err != nil {
		return err
	}
	defer func() { // the server has closed it, unless it never came to serving
		if cerr := socket.Close(); cerr != nil && !errors.Is(cerr, net.ErrClosed) {
			err = errors.Join(err, cerr)
		}
	}()
	s.gate, s.socket = newGate(socket, func(c net.Conn) { s.traffic.saw(c, http.StateNew) }), socket.Addr().String()
	forker := instance.NewForker()
	if err := s.adoptReports(s.o.Inherited); err != nil {
		return err
	}
	s.trees = s.newTrees(forker)
	defer func() { err = errors.Join(err, s.trees.close()) }()
	s.o.Log.Info("supervising", "profiles", len(units), "trees", s.trees.How)
	if names := withheld(s.o.Environ); len(names) > 0 {
		s.o.Log.Warn("the gateways do not get these variables, whose address holds a password; use a proxy that needs none, on this machine for one", "variables", names)
	}
	for _, u := range units {
		if err := s.equip(ctx, u, s.o.Inherited.take(u.profile), s.o.Origin == OriginUp); err != nil {
			return err
		}
	}
	left := s.newStrays(units)
	left.end(ctx)
	if err := s.leaving(ctx, s.o.Inherited); err != nil {
		return err
	}
	if err := s.introduce(socket.Addr().String()); err != nil {
		return err
	}
	for _, u := range units {
		if err := u.lock.SetContent(s.introduction); err != nil {
			return err
		}
	}
	// The forker is the one that needs this goroutine, for its thread.
	forking, stopForking := context.WithCancel(context.WithoutCancel(ctx))
	result := make(chan error, 1)
	go func() {
		defer stopForking()
		result <- s.supervise(ctx, forker, left)
	}()
	ferr := forker.Run(forking)
	if ferr != nil {
		s.Stop() // nothing can be started, and no end is noticed
	}
	return errors.Join(ferr, <-result)
}

// supervise runs the instances between the first and the last answer of the control socket.
func (s *Supervisor) supervise(ctx context.Context, forker *instance.Forker, left *strays) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	forking, stopForking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopForking()

	var background, children sync.WaitGroup
	if s.trees.reaper != nil {
		background.Go(func() { _ = s.trees.reaper.Run(forking) }) // nor does this
	}
	s.run = func(u *unit) {
		own, stop := context.WithCancel(ctx)
		u.stop, u.done = stop, make(chan struct{})
		children.Go(func() {
			defer close(u.done)
			u.instance.Run(own)
		})
		if u.profile.Limits.MemorySoft != 0 || u.profile.Limits.MemoryHard != 0 {
			children.Go(func() { s.watchMemory(own, u) })
		}
	}
	s.reports.Resume()
	for _, u := range s.set.list() {
		s.run(u)
	}
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	background.Go(func() { s.serveControl(serving, s.gate) })
	background.Go(func() { s.serveMetricsPort(serving) })
	background.Go(func() {
		if err := s.reports.Run(serving); err != nil {
			s.o.Log.Error("end", "err", err)
		}
	})
	for _, u := range s.gone {
		s.ending.Add(1)
		children.Go(func() {
			defer s.ending.Add(-1)
			s.end(u)
		})
	}
	background.Go(func() { left.endLate(serving) })
	mainLoop := s.notifyReady()
	watched, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWatching()
	background.Go(func() { mainLoop(watched) })

	s.await(ctx, forker)
	s.doctors.end()   // the gateway that waits for it would drain for long
	s.changing.Lock() // a reload that is under way ends first, and none begins
	defer s.changing.Unlock()
	s.o.Log.Info("stopping", "profiles", len(s.set.list()))
	s.notify("STOPPING=1")
	s.trees.ending()
	debug.SetGCPercent(endGCPercent) // what becomes garbage now goes soon with the process
	failed := context.Cause(ctx)
	if ctx.Err() == nil || errors.Is(failed, context.Canceled) {
		failed = nil
	}
	cancel(nil)
	children.Wait()
	if err := s.trees.endAll(); err != nil {
		s.o.Log.Error("something that the gateways started is left", "err", err)
	}
	stopWatching()
	stopServing()
	stopForking()
	background.Wait()
	return failed
}

// await returns when all is to end. Meanwhile it has successors take our place.
func (s *Supervisor) await(ctx context.Context, forker *instance.Forker) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.stop:
			return
		case q := <-s.swaps:
			s.swap(ctx, q, forker)
		}
	}
}

// Stop asks Run to end. It is safe for concurrent use.
func (s *Supervisor) Stop() { s.stopped.Do(func() { close(s.stop) }) }

// status is everything that can be said now.
func (s *Supervisor) status() control.Status { return s.statusIn(nil) }

// statusIn is status with a list of instances that may take the place of an older one.
func (s *Supervisor) statusIn(list []control.Instance) control.Status {
	units := s.set.list()
	st := control.Status{
		Supervisor: control.Supervisor{PID: os.Getpid(), Version: s.o.Version, Unit: s.o.Unit, Profiles: s.set.names(), Trees: s.trees.How,
			Generation: s.generation, ReexecError: s.lastSwapFailure()},
		Started: s.started, Origin: s.o.Origin, Instances: slices.Grow(list[:0], len(units)),
	}
	for _, u := range units {
		st.Instances = append(st.Instances, u.status())
	}
	return st
}
