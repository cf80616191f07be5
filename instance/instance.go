// Package instance owns one child: its state machine, its start with everything
// that it inherits, its readiness, its end and that of its process group, and
// when it is started again. It knows no profile, no port and no gateway: whoever
// uses it says what to start and why that may be impossible.
package instance

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/internal/handoff"
	"github.com/coderclaw/coderclaw/internal/pollset"
)

// Launch is everything that one start takes.
type Launch struct {
	Path    string          // of the program
	Args    []string        // argv, the program's name included
	Env     []string        // whole; the instance adds what names the inherited descriptors
	Dir     string          // working directory
	Files   []*os.File      // become descriptors 3 and up; they stay open here
	Handoff handoff.Message // its Instance is filled in

	Hash     string // of the config and the program: deaths count against what died
	Degraded string // why it is not the config as written that is run, "" if it is
	// Live and Serving ask the child whether it answers at all, and whether it wants
	// clients now; nil ones are not asked.
	Live, Serving func(ctx context.Context) error
	OnReady       func() // called once the child is ready, beside the loop; may be nil
}

// BlockedError is why a start is impossible for now, for a cause outside of the child.
type BlockedError struct {
	Reason string
	Class  string // config, port, lock, disk, auth
}

func (e *BlockedError) Error() string { return e.Reason }

// Options says what an instance runs. Name, Prepare, Reports, Output, Waits, Log
// and Starter are required.
type Options struct {
	Name string
	// Prepare makes ready for a start. An error, best a *BlockedError, blocks the
	// instance; it is tried again each second.
	Prepare func(ctx context.Context) (Launch, error)
	// Precheck is asked before a planned restart: an error keeps the old child.
	Precheck func(ctx context.Context) error
	// Fingerprint is the Hash that a start would have now. A change releases from quarantine.
	Fingerprint func(ctx context.Context) string
	// OnDeath is told of every death that nobody asked for, once all that the child
	// printed has been consumed, beside the loop. nil tells nobody.
	OnDeath func(Death)
	// Wish records what the commands last asked for, in the order in which they are carried out. nil records nothing.
	Wish func(running bool) error
	// Output returns what consumes the output of one child, behind the beginning of a line.
	Output func(begun []byte) Intake
	Waits  pollset.Waiter // for what the child prints
	// OnChange is told each change, in order, from one goroutine. It must not call the instance.
	OnChange func(Snapshot)

	Grace        time.Duration // from asking the child to end to killing it; 0 means 35 s
	StartTimeout time.Duration // from start to ready; 0 means 60 s
	Probes       Probes
	Reports      Reporter // to which the child says that it is ready
	WantStopped  bool     // do not start before Start is called
	Adopt        *Adopted // what a predecessor has left, to go on with; WantStopped does not count then
	Starter      Starter
	Rand         func() float64 // in [0,1), for the jitter; nil means a random one
	Log          *slog.Logger
}

// Reporter is where children say that they are ready. Reports is one.
type Reporter interface {
	// Ensure makes sure that they can, and returns the path of the socket on which they do.
	Ensure() (path string, err error)
	// Expect returns what is closed when the child with that id has said so, until Forget.
	Expect(id string) <-chan struct{}
	Forget(id string)
}

// Death is what is known of a child that ended unasked.
type Death struct {
	Exit   Exit
	Reason string
	PID    int
	ID     string
	Phase  State // in which it died
	Ran    time.Duration
	Hash   string
	Dumped bool // it was asked for the stacks of its goroutines before it was killed
}

const (
	defaultGrace        = 35 * time.Second
	defaultStartTimeout = 60 * time.Second
	// recheck is how often it is looked whether what stands in the way of a start, or
	// of a better config, is gone.
	recheck = time.Second
)

// Instance keeps one child as it is wanted. Its methods are safe for concurrent use.
type Instance struct {
	o        Options
	commands chan command
	thaw     chan bool     // ends what Freeze began; false ends Run too, and leaves the child
	done     chan struct{} // closed when the loop has ended and takes no more commands

	mu   sync.Mutex // guards snap
	snap Snapshot
}

// verb is what a command asks for.
type verb int

const (
	start verb = iota
	stop
	restart
	recycle // a restart that nobody asked for
	condemn // a kill for a reason of the supervisor's
	freeze
)

type command struct {
	verb verb
	id   string     // of the child that recycle and condemn mean
	why  string     // of the same
	done chan error // holds one
	note error      // what did not work though the command did
	into *Frozen    // of freeze: filled in before it is done
}

// New returns an instance that Run brings to life.
func New(o Options) *Instance {
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = defaultStartTimeout
	}
	o.Probes = o.Probes.filled()
	if o.Fingerprint == nil {
		o.Fingerprint = func(context.Context) string { return "" }
	}
	if o.Rand == nil {
		o.Rand = randomFloat
	}
	if o.Wish == nil {
		o.Wish = func(bool) error { return nil }
	}
	if o.Precheck == nil {
		o.Precheck = func(context.Context) error { return nil }
	}
	i := &Instance{o: o, commands: make(chan command), thaw: make(chan bool), done: make(chan struct{}),
		snap: Snapshot{State: Stopped, Reason: "not started yet", Since: time.Now()}}
	if o.Adopt != nil {
		i.snap = o.Adopt.snapshot()
	}
	return i
}

// Snapshot is the instance as it is now.
func (i *Instance) Snapshot() Snapshot {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.snap
}

// Start starts a child unless one lives, and returns when it is ready, or why
// it did not become so.
func (i *Instance) Start(ctx context.Context) error { return i.ask(ctx, start) }

// Stop ends the child and returns when it is gone. It stays stopped until Start
// or Restart; where that comes first, Stop returns an error that says so.
func (i *Instance) Stop(ctx context.Context) error { return i.ask(ctx, stop) }

// Restart replaces the child and returns when the new one is ready. Calls that
// come while the old child drains make one restart.
func (i *Instance) Restart(ctx context.Context) error { return i.ask(ctx, restart) }

// Recycle replaces the child with that id of Snapshot, after a drain, for the reason
// given. It returns when the new one is ready. Where that child does not serve, or
// another has taken its place, it does nothing.
func (i *Instance) Recycle(ctx context.Context, id, why string) error {
	return i.send(ctx, command{verb: recycle, id: id, why: why})
}

// Condemn kills the child with that id of Snapshot, which took too much memory, and
// returns at once. Where another has taken its place, or none, it does nothing.
func (i *Instance) Condemn(ctx context.Context, id, why string) error {
	return i.send(ctx, command{verb: condemn, id: id, why: why})
}

func (i *Instance) ask(ctx context.Context, v verb) error { return i.send(ctx, command{verb: v}) }

// send hands a command to Run. A ctx that ends gives up on the answer, not on the command.
func (i *Instance) send(ctx context.Context, c command) error {
	c.done = make(chan error, 1)
	select {
	case i.commands <- c:
	case <-i.done:
		return errEnded
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
