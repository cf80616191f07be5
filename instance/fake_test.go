package instance

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// world is a fake edge: it starts no process, and says what happened to those it
// was asked to start. It is used inside a synctest bubble.
type world struct {
	mu       sync.Mutex
	started  []*fakeProcess
	prepare  error // what Prepare fails with
	precheck error
	wish     error // what Wish fails with
	hash     string
	degraded string
	live     error // what the probes find
	serving  error
	deaths   []Death
	wishes   []bool
	history  []Snapshot
	prepared int
	keepBusy chan struct{} // holds up whoever is told of a death; nil holds up nobody
}

type fakeProcess struct {
	pid  int
	exit chan Exit
	once sync.Once

	mu     sync.Mutex
	polite bool // ends when it is asked to
	asked  []os.Signal
	killed bool

	ended    Exit
	gone     chan struct{} // closed when it has ended without a Release before
	released chan struct{} // closed by Release, made anew by OnEnd
	held     chan bool     // what Release returns
}

func (p *fakeProcess) PID() int { return p.pid }
func (p *fakeProcess) OnEnd(fn func()) error {
	p.mu.Lock()
	released := make(chan struct{})
	p.released = released
	p.mu.Unlock()
	go func() {
		select {
		case p.ended = <-p.exit:
		case <-released:
			select {
			case p.ended = <-p.exit:
			default:
				p.held <- true
				return
			}
			p.held <- false
			fn()
			return
		}
		close(p.gone)
		fn()
	}()
	return nil
}

func (p *fakeProcess) Wait() (Exit, error) { return p.ended, nil }

func (p *fakeProcess) Release() (bool, error) {
	p.mu.Lock()
	released := p.released
	p.mu.Unlock()
	close(released)
	select {
	case held := <-p.held:
		return held, nil
	case <-p.gone:
		return false, nil
	}
}

func (p *fakeProcess) end(e Exit) { p.once.Do(func() { p.exit <- e }) }
func (p *fakeProcess) Signal(s os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, s)
	if p.polite {
		p.end(Exit{Code: 0})
	}
	return nil
}

// rude makes the process ignore what it is asked.
func (p *fakeProcess) rude() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.polite = false
}

// fate is what happened to the process.
func (p *fakeProcess) fate() (asked []os.Signal, killed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked, p.killed
}

func (p *fakeProcess) Kill() error {
	p.mu.Lock()
	p.killed = true
	p.mu.Unlock()
	p.end(Exit{Code: -1, Signal: "SIGKILL"})
	return nil
}

func (w *world) Start(context.Context, StartSpec) (Process, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := &fakeProcess{pid: 1000 + len(w.started), exit: make(chan Exit, 1), polite: true, gone: make(chan struct{}), held: make(chan bool)}
	w.started = append(w.started, p)
	return p, nil
}

// last is the process that was started last.
func (w *world) last() *fakeProcess {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.started[len(w.started)-1]
}

// fail has Prepare and Precheck fail from now on; nil errors have them succeed.
func (w *world) fail(prepare, precheck error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prepare, w.precheck = prepare, precheck
}

func (w *world) setHash(hash string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hash = hash
}

// asks is a probe that finds what *err is at that time.
func (w *world) asks(err *error) func(context.Context) error {
	return func(context.Context) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		return *err
	}
}

// probes sets what the probes find from now on.
func (w *world) probes(live, serving error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.live, w.serving = live, serving
}

func (w *world) tries() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.prepared
}

func (w *world) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.started)
}

// rig is an instance that runs inside the bubble of the test.
type rig struct {
	*testing.T
	*world
	o     Options
	i     *Instance
	ready *fakeReports
	stop  context.CancelFunc
	done  chan struct{}
}

func newRig(t *testing.T, change ...func(*Options)) *rig {
	t.Helper()
	w := &world{}
	r := &rig{T: t, world: w, ready: &fakeReports{NewReports(nil)}}
	r.o = Options{
		Name: "x", Starter: w, Reports: r.ready, Log: slog.New(slog.DiscardHandler), Rand: func() float64 { return 1 },
		Grace: 10 * time.Second, StartTimeout: 20 * time.Second,
		Prepare: func(context.Context) (Launch, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.prepared++
			return Launch{Path: "x", Args: []string{"x"}, Hash: w.hash, Degraded: w.degraded,
				Live: w.asks(&w.live), Serving: w.asks(&w.serving)}, w.prepare
		},
		Precheck: func(context.Context) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.precheck
		},
		Fingerprint: func(context.Context) string {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.hash
		},
		OnDeath: func(d Death) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.deaths = append(w.deaths, d)
			if busy := w.keepBusy; busy != nil {
				w.mu.Unlock()
				<-busy
				w.mu.Lock()
			}
		},
		Wish: func(running bool) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.wishes = append(w.wishes, running)
			return w.wish
		},
		Output: func([]byte) Intake { return fakeIntake{} }, Waits: soon{},
		OnChange: func(s Snapshot) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if n := len(w.history); n > 0 && w.history[n-1].State != s.State && !allowed(w.history[n-1].State, s.State) {
				t.Errorf("%s follows %s", s.State, w.history[n-1].State)
			}
			w.history = append(w.history, s)
		},
	}
	for _, c := range change {
		c(&r.o)
	}
	r.run()
	return r
}

// run starts an instance of the options.
func (r *rig) run() {
	ctx, cancel := context.WithCancel(r.Context())
	i, done := New(r.o), make(chan struct{})
	r.i, r.stop, r.done = i, cancel, done
	go func() {
		defer close(done)
		i.Run(ctx)
	}()
}

// fakeIntake takes nothing, and that was all.
type fakeIntake struct{}

func (fakeIntake) Take(*os.File, func() bool) (bool, error) { return true, nil }
func (fakeIntake) End() ([]byte, error)                     { return nil, nil }

// soon finds everything readable.
type soon struct{}

func (soon) Await(_ *os.File, fn func()) (func() bool, error) {
	go fn()
	return func() bool { return false }, nil
}

// fakeReports have no socket.
type fakeReports struct{ *Reports }

func (*fakeReports) Ensure() (string, error) { return "-", nil }

// succeed freezes the instance and has another go on with what is left, after it
// went through JSON as between two programs.
func (r *rig) succeed() {
	r.Helper()
	f, err := r.i.Freeze(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	r.i.thaw <- false
	<-r.done
	r.stop()
	text, err := json.Marshal(f)
	if err != nil {
		r.Fatal(err)
	}
	a := &Adopted{Live: r.asks(&r.live), Serving: r.asks(&r.serving)}
	if err := json.Unmarshal(text, &a.Frozen); err != nil {
		r.Fatal(err)
	}
	if f.Child != nil {
		p := r.last()
		a.Process = p
		a.Child.Pipe, a.Child.Output = f.Child.Pipe, f.Child.Output
	}
	r.o.Adopt = a
	r.run()
	synctest.Wait()
}

// end stops the instance and waits until it has.
func (r *rig) end() {
	r.stop()
	<-r.done
	if s := r.i.Snapshot(); s.State != Stopped || s.PID != 0 {
		r.Errorf("ended as %+v", s)
	}
}

// isReady has the living child report that it is ready.
func (r *rig) isReady() {
	r.Helper()
	synctest.Wait()
	r.ready.came(r.i.Snapshot().ID)
	synctest.Wait()
	r.state(Ready)
}

func (r *rig) state(want State) Snapshot {
	r.Helper()
	synctest.Wait()
	s := r.i.Snapshot()
	if s.State != want {
		r.Fatalf("%s (%s), want %s", s.State, s.Reason, want)
	}
	return s
}

// dies has the living child end, and lets the instance notice.
func (r *rig) dies(e Exit) {
	r.Helper()
	synctest.Wait()
	r.last().end(e)
	synctest.Wait()
}

// told are the deaths of which somebody was told, once that is no longer put off
// for a successor.
func (r *rig) told() []Death {
	time.Sleep(aftermath)
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.deaths
}

var errTest = errors.New("something outside")

var term = syscall.SIGTERM
