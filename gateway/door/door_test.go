package door

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	for files, want := range map[int]Limits{
		10:      {1, 4},
		256:     {48, 192},
		1024:    {224, 896},
		4096:    {896, 3584},
		1 << 20: {1024, 1<<20 - 1<<17},
	} {
		if got := LimitsFor(files); got != want {
			t.Errorf("%d files: %+v, want %+v", files, got, want)
		}
	}
	if Files() < 16 {
		t.Errorf("%d files may be open", Files())
	}
}

func quiet(l Limits) *Door { return New(l, slog.New(slog.DiscardHandler)) }

// dialled admits one end of a pipe; the other is returned too.
func (d *Door) dialled(t *testing.T) (*Conn, net.Conn, bool) {
	near, far := net.Pipe()
	c := &Conn{Conn: near, door: d, closed: make(chan struct{})}
	t.Cleanup(func() { c.Close(); far.Close() })
	return c, far, d.admit(c)
}

func (d *Door) admitted(t *testing.T) (*Conn, net.Conn) {
	t.Helper()
	c, far, ok := d.dialled(t)
	if !ok {
		t.Fatal("refused")
	}
	return c, far
}

func open(c net.Conn) bool {
	_ = c.SetReadDeadline(time.Now().Add(time.Nanosecond))
	_, err := c.Read(make([]byte, 1))
	return !errors.Is(err, io.EOF)
}

// TestSettle: a request that is on its way is waited for, one that is being
// answered as well, and who says nothing is cut off.
func TestSettle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := quiet(LimitsFor(1024))
		_, silent := d.admitted(t)
		busy, _ := d.admitted(t)
		d.State(busy, http.StateActive)
		busy.Answering()
		refused, _ := d.admitted(t)
		refused.Refused()
		begin := time.Now()
		time.AfterFunc(10*time.Second, func() { d.State(busy, http.StateIdle) })
		d.Settle(t.Context(), Arrival)
		if took := time.Since(begin); took != 10*time.Second+lastLook {
			t.Errorf("settled after %s", took)
		}
		if open(silent) {
			t.Error("the silent connection is still there")
		}
		d.admitted(t)
		begin = time.Now()
		d.Settle(t.Context(), Arrival)
		if took := time.Since(begin); took != Arrival+lastLook {
			t.Errorf("waited %s for a request", took)
		}
		upgraded, _ := d.admitted(t)
		d.State(upgraded, http.StateHijacked)
		time.Sleep(5 * time.Second)
		time.AfterFunc(100*time.Millisecond, upgraded.Known)
		begin = time.Now()
		d.Settle(t.Context(), Arrival)
		if took := time.Since(begin); took != 100*time.Millisecond {
			t.Errorf("waited %s for a greeting", took)
		}
		answering, _ := d.admitted(t)
		answering.Answering()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begin = time.Now()
		d.Settle(ctx, Arrival)
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("waited %s for an answer that does not come", took)
		}
	})
}

// TestLastLook: a request that came in time is not cut off because this process learns of it
// only when its time is over.
func TestLastLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := quiet(LimitsFor(1024))
		late, far := d.admitted(t)
		gone, _ := d.admitted(t)
		time.AfterFunc(Arrival+lastLook/4, func() { gone.Close() })
		time.AfterFunc(Arrival+lastLook/2, late.Answering)
		time.AfterFunc(Arrival+time.Minute, func() { d.State(late, http.StateIdle) })
		begin := time.Now()
		d.Settle(t.Context(), Arrival)
		if took := time.Since(begin); took != Arrival+time.Minute || !open(far) {
			t.Errorf("settled after %s, open: %v", took, open(far))
		}
	})
}

// TestTooManyStrangers: each newcomer costs the stranger its place whose last step is longest
// ago, once its patience is over, and nobody who is known; the log says it once.
func TestTooManyStrangers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		d := New(Limits{Strangers: 3, Total: 100}, slog.New(slog.NewTextHandler(&log, nil)))
		known, friend := d.admitted(t)
		known.Known()
		var far []net.Conn
		var near []*Conn
		for range 3 {
			c, f := d.admitted(t)
			near, far = append(near, c), append(far, f)
			time.Sleep(10 * time.Millisecond)
		}
		near[0].Answering() // a step: now the second is the one that waits longest
		begin := time.Now()
		d.admitted(t)
		if took := time.Since(begin); took != patience-20*time.Millisecond {
			t.Errorf("let in after %s", took)
		}
		if !open(far[0]) || open(far[1]) || !open(far[2]) {
			t.Errorf("open: %v %v %v", open(far[0]), open(far[1]), open(far[2]))
		}
		begin = time.Now()
		time.AfterFunc(time.Millisecond, near[0].Known)
		d.admitted(t)
		if took := time.Since(begin); took != time.Millisecond {
			t.Errorf("let in %s after there was a place", took)
		}
		for range 1000 {
			time.Sleep(time.Second / 100)
			d.admitted(t)
		}
		if !open(friend) || !open(far[0]) {
			t.Error("a client that is known was closed")
		}
		if n := strings.Count(log.String(), "have not said who they are"); n < 1 || n > 6 {
			t.Errorf("%d lines in the log: %s", n, &log)
		}
	})
}

// TestFull: strangers make room at once when there are as many connections as may be; without
// any, newcomers are refused.
func TestFull(t *testing.T) {
	t.Parallel()
	d := quiet(Limits{Strangers: 3, Total: 4})
	var all []*Conn
	for range 3 {
		c, _ := d.admitted(t)
		c.Known()
		all = append(all, c)
	}
	_, stranger := d.admitted(t)
	last, _ := d.admitted(t)
	if open(stranger) {
		t.Error("the stranger is still there")
	}
	last.Known()
	if _, _, ok := d.dialled(t); ok {
		t.Error("let in above the limit")
	}
	all[0].Close()
	all[0].Close() // more than once
	d.admitted(t)
}

// scripted is a listener that fails, then accepts.
type scripted struct {
	net.Listener
	errs []error
	conn net.Conn
}

func (l *scripted) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, err
	}
	return l.conn, nil
}

// TestOutOfFiles: a lack of files costs a stranger its place, is told once, and is no end.
func TestOutOfFiles(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	d := New(Limits{Strangers: 3, Total: 100}, slog.New(slog.NewTextHandler(&log, nil)))
	_, stranger := d.admitted(t)
	near, far := net.Pipe()
	defer far.Close()
	none := &net.OpError{Op: "accept", Err: syscall.EMFILE}
	l := d.Listen(&scripted{errs: []error{none, none, none}, conn: near})
	for range 3 {
		_, err := l.Accept()
		if temporary, ok := err.(interface{ Temporary() bool }); !ok || !temporary.Temporary() { // what net/http asks
			t.Errorf("%v ends the server", err)
		}
	}
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if open(stranger) {
		t.Error("the stranger is still there")
	}
	if n := strings.Count(log.String(), "LimitNOFILE"); n != 1 {
		t.Errorf("%d lines in the log: %s", n, &log)
	}
}

// TestPace: who sends next to no content is read slowly, and cut off when that does not stop
// it; who sends content is not.
func TestPace(t *testing.T) {
	t.Parallel()
	const pieces, piece = 10_000, 100
	for name, tc := range map[string]struct {
		content int           // of each piece
		every   time.Duration // between two pieces
		took    time.Duration // in all
		strange bool
		cut     bool
	}{
		"pings":                     {content: 0, took: maxRests * restTime, cut: true},
		"tiny fragments":            {content: 14, took: maxRests * restTime, cut: true},
		"small requests":            {content: 80},
		"close to nothing to spare": {content: 50},
		"pings, now and then":       {content: 0, every: 10 * time.Millisecond, took: pieces * 10 * time.Millisecond},
		"of a stranger":             {content: 0, every: 200 * time.Millisecond, took: pieces * 200 * time.Millisecond, strange: true},
		// Five times 1 KiB, and four rests, in each of which the next piece comes.
		"of a stranger, faster": {content: 0, every: 50 * time.Millisecond, took: 5*11*50*time.Millisecond + 4*(restTime-50*time.Millisecond), strange: true, cut: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, far := quiet(LimitsFor(1024)).admitted(t)
				c.Pace()
				if !tc.strange {
					c.Known()
				}
				var sending sync.WaitGroup
				defer sending.Wait()
				sending.Go(func() {
					for range pieces {
						time.Sleep(tc.every)
						if _, err := far.Write(make([]byte, piece)); err != nil {
							return
						}
					}
				})
				begin := time.Now()
				var err error
				for i := 0; i < pieces && err == nil; i++ {
					_, err = io.ReadFull(c, make([]byte, piece))
					c.Carried(piece-tc.content, tc.content)
				}
				if took := time.Since(begin); took != tc.took || (err != nil) != tc.cut {
					t.Errorf("took %s, %v", took, err)
				}
			})
		})
	}
	t.Run("closed meanwhile", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, far := quiet(LimitsFor(1024)).admitted(t)
			c.Pace()
			c.Known()
			go func() { _, _ = far.Write(make([]byte, maxPadding+1)) }()
			begin := time.Now()
			time.AfterFunc(time.Millisecond, func() { c.Close() })
			_, _ = io.ReadFull(c, make([]byte, maxPadding+1))
			c.Carried(maxPadding+1, 0)
			if took := time.Since(begin); took != time.Millisecond {
				t.Errorf("returned after %s", took)
			}
		})
	})
}
