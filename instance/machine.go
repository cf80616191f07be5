package instance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

var errEnded = errors.New("the supervisor is ending")

func randomFloat() float64 { return rand.Float64() }

// machine is the running instance: all that only the loop of Run may touch.
type machine struct {
	*Instance
	child   *child
	want    bool // a child should live
	ending  bool // Run is to return once no child is left
	left    bool // a successor has everything
	backoff backoff
	deaths  deaths
	probed  chan probeResult
	news    news

	timer   *time.Timer    // runs out when the state has lasted too long, see limit
	due     time.Time      // when that is, zero if never
	waiters []command      // starts and restarts: told when the child is ready or has failed
	stops   []command      // told when no child is left or one is wanted again
	outputs sync.WaitGroup // everything that goes on beside the loop for its children
	tails   sync.WaitGroup // of that, what has its end soon and must not be cut off
	unsaid  func()         // writes a line into the log that must not keep a start waiting
	begun   chan struct{}  // closed when a successor that is being started is ready, or will not be; nil without one
}

// Run keeps the child until ctx ends, then ends the child and returns. Everything
// that it started has ended by then.
func (i *Instance) Run(ctx context.Context) {
	m := &machine{Instance: i, want: !i.o.WantStopped, backoff: backoff{rand: i.o.Rand},
		probed: make(chan probeResult), timer: time.NewTimer(time.Hour)}
	m.timer.Stop()
	m.loop(ctx)
	m.timer.Stop()
	m.tails.Wait()
	m.outputs.Wait()
}

// loop is where every state changes.
func (m *machine) loop(ctx context.Context) {
	defer close(m.done)
	apart(func() { m.begin(ctx) })
	for !m.left && (!m.ending || m.child != nil) {
		e := m.next(ctx)
		apart(func() { m.act(ctx, e) })
	}
	if !m.left {
		apart(func() { m.tell(&m.stops, nil) })
	}
}

// apart does something on a stack of its own. Hundreds of instances wait, each on a
// stack that would have grown with what it did last, and only a collection shrinks it.
func apart(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	<-done
}

// begin does what comes before the first event.
func (m *machine) begin(ctx context.Context) {
	switch {
	case m.o.Adopt != nil:
		m.adopt(ctx, m.o.Adopt)
	case m.want:
		m.start(ctx)
	default:
		m.to(Stopped, "it was stopped on request")
	}
}

// event is what next has found.
type event int

const (
	unwanted event = iota
	commanded
	reported
	probed
	exited
	expired
)

// news is what came with an event.
type news struct {
	command command
	probe   probeResult
	exit    Exit
}

// next waits for what happens next.
func (m *machine) next(ctx context.Context) event {
	done := ctx.Done()
	if m.ending {
		done = nil
	}
	var ended chan Exit
	if m.child != nil {
		ended = m.child.exited
	}
	select {
	case <-done:
		return unwanted
	case m.news.command = <-m.commands:
		return commanded
	case <-m.reported():
		return reported
	case m.news.probe = <-m.probed:
		return probed
	case m.news.exit = <-ended:
		return exited
	case <-m.timer.C:
		return expired
	}
}

// act does what is to be done about an event.
func (m *machine) act(ctx context.Context, e event) {
	n := m.news
	m.news = news{}
	switch e {
	case unwanted:
		m.wind()
	case commanded:
		m.command(ctx, n.command)
	case reported:
		m.isReady(ctx)
	case probed:
		m.look(n.probe)
	case exited:
		m.childEnded(ctx, n.exit)
	case expired:
		m.tooLong(ctx)
	}
}

// wind begins the end.
func (m *machine) wind() {
	m.ending, m.want = true, false
	m.tell(&m.waiters, errEnded)
	m.stopChild("the supervisor is ending")
}

// to is the one place where the state changes.
func (m *machine) to(s State, reason string) {
	now := time.Now()
	m.mu.Lock()
	from := m.snap.State
	if !allowed(from, s) {
		m.o.Log.Error("a state follows that may not: this is a bug", "profile", m.o.Name, "from", from, "to", s)
	}
	if from != s {
		m.snap.Since = now
	}
	m.snap.State, m.snap.Reason = s, reason
	m.snap.PID, m.snap.ID, m.snap.Degraded, m.snap.NextTry = 0, "", "", time.Time{}
	if m.child != nil {
		m.snap.PID, m.snap.ID, m.snap.Degraded = m.child.proc.PID(), m.child.id, m.child.launch.Degraded
	}
	m.timer.Stop()
	m.due = time.Time{}
	if limit := m.limit(s); limit > 0 {
		m.wake(limit)
		if s == Blocked {
			m.snap.NextTry = now.Add(limit)
		}
	}
	snap := m.snap
	m.mu.Unlock()
	if s != Starting {
		m.settle()
	}
	if m.o.OnChange != nil {
		m.o.OnChange(snap)
	}
}

// settle lets go on what has waited for the start of a successor.
func (m *machine) settle() {
	if m.begun != nil {
		close(m.begun)
		m.begun = nil
	}
}

// limit is how long a state may last before tooLong has to act; 0 means for
// ever. Backing off has its own.
func (m *machine) limit(s State) time.Duration {
	switch s {
	case Starting:
		return m.o.StartTimeout
	case Ready:
		if m.child.launch.Degraded != "" {
			return recheck
		}
		return stableAfter
	case Unhealthy:
		if m.child.hung {
			return dumpTime
		}
	case Draining:
		return m.o.Grace
	case Blocked, Quarantined:
		return recheck
	}
	return 0
}

// tooLong acts when a state has lasted for its limit.
func (m *machine) tooLong(ctx context.Context) {
	switch m.state() {
	case Starting:
		m.child.fate, m.child.why = ClassCrash, fmt.Sprintf("it was not ready within %s and was killed", m.o.StartTimeout)
		m.kill()
	case Draining:
		m.o.Log.Warn("killed after the grace", "profile", m.o.Name, "pid", m.child.proc.PID(), "grace", m.o.Grace)
		m.kill()
	case Unhealthy:
		m.kill() // it hangs, and its dump is printed or never will be
	case Ready:
		m.stable(ctx)
	case Blocked, BackingOff:
		m.start(ctx)
	case Quarantined:
		m.release(ctx)
	}
}

// stable forgets the past of a child that has been ready for long, and gives one
// that runs on its last good config the real one as soon as that is good.
func (m *machine) stable(ctx context.Context) {
	if time.Since(m.Snapshot().Since) >= stableAfter {
		m.backoff.reset()
	}
	if m.child.launch.Degraded == "" {
		return
	}
	if m.o.Precheck(ctx) == nil {
		m.drain(true, "its config is valid again")
		return
	}
	m.wake(recheck)
}

// wake has tooLong called after d.
func (m *machine) wake(d time.Duration) {
	m.timer.Reset(d)
	m.due = time.Now().Add(d)
}

func (m *machine) kill() {
	if err := m.child.proc.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		m.o.Log.Error("kill", "profile", m.o.Name, "pid", m.child.proc.PID(), "err", err)
	}
}

func (m *machine) state() State { return m.Snapshot().State }

func (m *machine) count(change func(*Snapshot)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.snap)
}

// start prepares and starts a child. Waiters are told if that fails.
func (m *machine) start(ctx context.Context) {
	launch, err := m.o.Prepare(ctx)
	var notify string
	if err == nil {
		notify, err = m.o.Reports.Ensure()
	}
	if err == nil {
		if m.deaths.of(launch.Hash) {
			m.count(func(s *Snapshot) { s.Tries = 0 })
		}
		m.child, err = m.spawn(ctx, launch, notify)
	}
	m.say()
	if err != nil {
		if m.state() != Blocked || m.Snapshot().Reason != err.Error() {
			m.o.Log.Warn("blocked", "profile", m.o.Name, "reason", err)
		}
		m.to(Blocked, err.Error())
		m.tell(&m.waiters, exitcode.With(blockedCode(err), fmt.Errorf("profile %s is blocked: %w", m.o.Name, err)))
		return
	}
	m.to(Starting, "waiting for it to be ready")
}

// say writes what was left for after a start.
func (m *machine) say() {
	if m.unsaid != nil {
		m.unsaid()
		m.unsaid = nil
	}
}

func blockedCode(err error) exitcode.Code {
	b, ok := errors.AsType[*BlockedError](err)
	switch {
	case !ok:
		return exitcode.Of(err)
	case b.Class == ClassConfig:
		return exitcode.Config
	case b.Class == ClassAuth:
		return exitcode.Auth
	}
	return exitcode.Busy
}

// reported is closed when the child that lives has said that it is ready, and
// that was not taken note of yet.
func (m *machine) reported() <-chan struct{} {
	if m.child == nil {
		return nil
	}
	return m.child.reported
}

// isReady takes note of a child that reports; one that is draining already stays so.
func (m *machine) isReady(ctx context.Context) {
	c := m.child
	c.reported = nil
	m.o.Reports.Forget(c.id)
	if m.state() != Starting {
		return
	}
	c.ready = true
	m.o.Log.Info("ready", "profile", m.o.Name, "pid", c.proc.PID())
	m.count(func(s *Snapshot) { s.Tries = 0 })
	m.to(Ready, c.launch.Degraded)
	m.tell(&m.waiters, nil)
	m.probe(ctx, c)
	if c.launch.OnReady != nil {
		m.tails.Go(c.launch.OnReady)
	}
}

// childEnded decides what follows a death.
func (m *machine) childEnded(ctx context.Context, e Exit) {
	c, phase := m.child, m.state()
	m.child = nil
	m.o.Reports.Forget(c.id)
	e = classify(e, c.asked)
	e.At, e.Fast = time.Now(), !c.ready
	if c.fate != "" && !c.asked {
		e.Class = c.fate
	}
	reason := e.words()
	if c.why != "" && !c.asked {
		reason = c.why
	}
	m.settle()
	if m.want {
		m.begun = make(chan struct{})
	}
	c.close(&m.tails, m.begun, func() {
		if !c.asked && m.o.OnDeath != nil {
			m.o.OnDeath(Death{Exit: e, Reason: reason, PID: c.proc.PID(), ID: c.id, Phase: phase, Ran: e.At.Sub(c.began), Hash: c.launch.Hash, Dumped: c.hung})
		}
	})
	m.count(func(s *Snapshot) {
		s.LastExit = &e
		if e.Fast && !c.asked {
			s.Tries++
		}
	})
	if !m.want {
		m.to(Stopped, stoppedReason(m.ending))
		m.tell(&m.stops, nil)
		return
	}
	m.count(func(s *Snapshot) { s.Restarts++ })
	if c.asked {
		m.start(ctx)
		return
	}
	m.unsaid = func() {
		m.o.Log.Warn("the gateway died", "profile", m.o.Name, "pid", c.proc.PID(), "how", reason)
	}
	defer m.say()
	m.deaths.add(e)
	if why := m.hopeless(e); why != "" {
		m.quarantine(why)
		return
	}
	if e.Fast {
		m.tell(&m.waiters, exitcode.With(e.code(), fmt.Errorf("profile %s: the gateway %s; see its log", m.o.Name, reason)))
	}
	delay := m.backoff.next(e)
	if delay == 0 {
		m.start(ctx)
		return
	}
	m.to(BackingOff, reason)
	m.wake(delay)
	m.count(func(s *Snapshot) { s.NextTry = e.At.Add(delay) })
	if m.o.OnChange != nil {
		m.o.OnChange(m.Snapshot())
	}
}
