package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// swapRequest asks Run to have a successor take the place of this supervisor.
type swapRequest struct {
	ready    chan error    // holds one: nil when only the last step is left
	answered chan struct{} // closed when whoever asked has been told
}

// swapTime bounds how long requests that are under way may take to end.
const swapTime = 2 * time.Second

// serveReexec answers when everything is ready for the successor, or says why it
// is not. How it ended is in the status.
func (s *Supervisor) serveReexec(w http.ResponseWriter, r *http.Request) {
	if err := s.mayChange(r, ""); err != nil {
		refuse(w, http.StatusForbidden, exitcode.Failed, err)
		return
	}
	defer s.traffic.leaveOut()()
	q := swapRequest{make(chan error, 1), make(chan struct{})}
	defer close(q.answered)
	select {
	case s.swaps <- q:
	case <-r.Context().Done():
		return
	}
	if err := <-q.ready; err != nil {
		refuse(w, http.StatusConflict, exitcode.Of(err), fmt.Errorf("the supervisor stays as it is: %w", err))
		return
	}
	// The process may be another program before the server would send the end of the answer.
	text, _ := json.Marshal(control.Result{OK: true}) // of no value that could fail
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	c := http.NewResponseController(w)
	_ = c.SetWriteDeadline(time.Now().Add(answerTime)) // our own server can
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write(text) // the client may be gone
	_ = c.Flush()
}

// swap has the successor take the place of this supervisor. It returns only when
// that has failed, and then everything goes on as before.
func (s *Supervisor) swap(ctx context.Context, q swapRequest, forker *instance.Forker) {
	s.setSwapFailure(nil)
	image, undo, err := s.prepareSwap(ctx)
	if err == nil {
		err = ctx.Err()
	}
	q.ready <- err
	if err == nil {
		<-q.answered // bounded by the deadline of the answer
		s.o.Log.Info("a successor takes the place of this supervisor", "program", image.Path)
		s.notify("WATCHDOG=1")
		s.notify(reloading())
		if s.o.Flush != nil {
			s.o.Flush()
		}
		if err = ctx.Err(); err == nil { // the successor would never know that it was to end
			err = forker.Become(image)
		}
		s.notify("READY=1")
		s.setSwapFailure(err)
		s.board.changed()
	}
	s.o.Log.Error("no successor takes the place of this supervisor", "err", err)
	if err := undo(); err != nil {
		s.o.Log.Error("after the failed replacement", "err", err)
	}
}

// prepareSwap stops all that goes on here and returns what is to take our place.
// undo sets it going again; it is to be called in any case.
func (s *Supervisor) prepareSwap(ctx context.Context) (image instance.Image, undo func() error, err error) {
	var undos []func() error
	undo = func() error {
		var errs []error
		for _, u := range slices.Backward(undos) {
			errs = append(errs, u())
		}
		return errors.Join(errs...)
	}
	if !instance.CanBecome || s.o.Args == nil {
		return image, undo, errors.New("only on Linux can a successor take its place without an interruption; restart it instead")
	}
	if s.ending.Load() > 0 {
		return image, undo, errors.New("the gateway of a profile that the registry has no more is still ending; try again when it has")
	}
	if s.o.Successor != nil {
		if err := s.o.Successor(ctx); err != nil {
			return image, undo, err
		}
	}
	if !s.changing.TryLock() {
		return image, undo, errors.New("a reload is under way; try again when it has ended")
	}
	undos = append(undos, func() error {
		s.changing.Unlock()
		return nil
	})
	undos = append(undos, s.gate.open)
	if err := s.gate.shut(); err != nil {
		return image, undo, err
	}
	limit := time.NewTimer(swapTime)
	defer limit.Stop()
	select {
	case <-s.traffic.settled():
	case <-limit.C:
		return image, undo, errors.New("something else that it was asked for is still under way; try again when that has ended")
	}
	if s.later.busy() {
		return image, undo, errors.New("a restart is under way; try again when it has ended")
	}
	undos = append(undos, func() error {
		s.reports.Resume()
		return nil
	})
	s.reports.Pause()
	frozen, thaw, err := s.freezeAll(ctx)
	undos = append(undos, thaw)
	if err != nil {
		return image, undo, err
	}
	s.trees.background.Wait() // no child starts or ends any more
	h, files, release, err := s.handover(frozen)
	undos = append(undos, release)
	if err != nil {
		return image, undo, err
	}
	text, err := json.Marshal(h)
	if err != nil {
		return image, undo, fmt.Errorf("hand-over: %w", err)
	}
	f, err := handoverFile(text)
	if err != nil {
		return image, undo, err
	}
	undos = append(undos, f.Close)
	fd, err := numberOf(f)
	if err != nil {
		return image, undo, err
	}
	env := slices.DeleteFunc(slices.Clone(s.o.Environ), func(kv string) bool { return strings.HasPrefix(kv, EnvReexec+"=") })
	return instance.Image{Path: s.o.Exe, Args: s.o.Args, Env: append(env, EnvReexec+"="+strconv.Itoa(fd)), Files: append(files, f)}, undo, nil
}

// freezeAll freezes every instance at once. thaw undoes that.
func (s *Supervisor) freezeAll(ctx context.Context) (frozen []instance.Frozen, thaw func() error, err error) {
	units := s.set.list()
	frozen = make([]instance.Frozen, len(units))
	errs := make([]error, len(units))
	var wg sync.WaitGroup
	for i, u := range units {
		wg.Go(func() { frozen[i], errs[i] = u.instance.Freeze(ctx) })
	}
	wg.Wait()
	thaw = func() error {
		for i, u := range units {
			if errs[i] == nil {
				u.instance.Thaw()
			}
		}
		return nil
	}
	return frozen, thaw, errors.Join(errs...)
}

// handover writes down what the successor needs and lists the files that it gets.
// release closes those that were opened only for that.
func (s *Supervisor) handover(frozen []instance.Frozen) (h handover, files []*os.File, release func() error, err error) {
	units := s.set.list()
	own, err := s.gate.File()
	var notify *os.File
	release = func() error {
		var errs []error
		for _, f := range []*os.File{own, notify} {
			if f != nil {
				errs = append(errs, f.Close())
			}
		}
		return errors.Join(errs...)
	}
	if err != nil {
		return h, nil, release, fmt.Errorf("control socket: %w", err)
	}
	pass := func(f *os.File) int {
		n, nerr := numberOf(f)
		err = errors.Join(err, nerr)
		files = append(files, f)
		return n
	}
	h = handover{Version: HandoverVersion, PID: os.Getpid(), Generation: s.generation + 1, Started: s.started, Control: pass(own), Notify: -1, TreeLock: -1, NoTree: s.trees.without}
	var nerr error
	if notify, h.NotifyPath, nerr = s.reports.File(); notify != nil {
		h.Notify = pass(notify)
	}
	err = errors.Join(err, nerr)
	if t := s.trees.groups; t != nil {
		h.Tree, h.TreeLock = t.Dir(), pass(t.Lock())
	}
	for _, l := range s.o.Activated.list() {
		h.Activated = append(h.Activated, heldListener{l.addr, pass(l.file)})
	}
	for i, u := range units {
		u.mu.Lock()
		held := heldUnit{Profile: u.profile, Lock: pass(u.lock.File()), Addr: u.addr, Scheme: u.scheme, Instance: frozen[i], Pipe: -1, Output: -1, Grouped: u.leaf != nil}
		u.mu.Unlock()
		for _, l := range u.listeners.held() {
			if l.pooled {
				continue
			}
			held.Listeners = append(held.Listeners, heldListener{l.addr, pass(l.file)})
		}
		if c := frozen[i].Child; c != nil {
			held.Pipe, held.Output = pass(c.Pipe), pass(c.Output)
			held.StartTime, _ = proctable.StartTime(c.PID) // one that has just ended has none
		}
		h.Units = append(h.Units, held)
	}
	return h, files, release, err
}

// numberOf is the descriptor of f, which stays as it is.
func numberOf(f *os.File) (int, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	n := -1
	err = raw.Control(func(fd uintptr) { n = int(fd) })
	return n, err
}

func (s *Supervisor) setSwapFailure(err error) {
	s.swapMu.Lock()
	defer s.swapMu.Unlock()
	s.swapFailure = ""
	if err != nil {
		s.swapFailure = err.Error()
	}
}

func (s *Supervisor) lastSwapFailure() string {
	s.swapMu.Lock()
	defer s.swapMu.Unlock()
	return s.swapFailure
}
