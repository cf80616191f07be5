package heartbeat

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/sysevents"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// told is what everybody was told, with the seconds since the start.
type told struct {
	mu    sync.Mutex
	start time.Time
	what  []string
}

func (t *told) add(e protocol.HeartbeatEvent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.what = append(t.what, time.Since(t.start).String()+" "+e.Status+" "+e.Reason)
}

// TestSchedule: a heartbeat comes due each pause, wishes that come together make one,
// and while heartbeats are off a wish is answered by that and nothing else comes.
func TestSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()
		heard, queue := &told{start: time.Now()}, &sysevents.Queue{}
		f := New(Schedule{Every: "10m", Pause: 10 * time.Minute}, queue, heard.add)
		running.Go(func() { f.Run(ctx) })
		expect := func(d time.Duration, want ...string) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if !slices.Equal(heard.what, want) {
				t.Errorf("after %v: %q, want %q", time.Since(heard.start), heard.what, want)
			}
			heard.what = nil
		}
		wake := func(mode, text string, want bool) {
			t.Helper()
			if ok, err := f.wake(ctx, nil, protocol.WakeParams{Mode: mode, Text: text}); ok.OK != want || err != nil {
				t.Errorf("wake %q: %v, %v", text, ok, err)
			}
		}
		turn := func(on bool) {
			t.Helper()
			if res, err := f.set(ctx, nil, protocol.SetHeartbeatsParams{Enabled: &on}); err != nil || !res.OK || res.Enabled != on {
				t.Errorf("set %v: %+v, %v", on, res, err)
			}
		}
		expect(25*time.Minute, "10m0s skipped no-agent", "20m0s skipped no-agent")
		wake(protocol.WakeNextHeartbeat, "later", true)
		wake(protocol.WakeNow, " \n", false)
		expect(time.Minute)
		for range 3 {
			wake(protocol.WakeNow, "now", true)
		}
		expect(time.Minute, "26m0.25s skipped no-agent")
		turn(false)
		wake(protocol.WakeNow, "now, all the same", true)
		expect(time.Hour, "27m0.25s skipped disabled")
		if h := f.Heartbeat(); h.Enabled || *h.EveryMs != 600_000 || h.Every != "10m" {
			t.Errorf("switched off: %+v", h)
		}
		turn(true)
		turn(true)
		expect(15*time.Minute, "1h37m0s skipped no-agent")
		if got := queue.List(); !slices.Equal(got, []string{"later", "now", "now, all the same"}) {
			t.Errorf("queued %q", got)
		}
	})
}

// TestNever: a pause of nothing is no pause, and a wish does not change that.
func TestNever(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()
		heard := &told{start: time.Now()}
		f := New(Schedule{Every: "0m"}, &sysevents.Queue{}, heard.add)
		running.Go(func() { f.Run(ctx) })
		time.Sleep(24 * time.Hour)
		if _, err := f.wake(ctx, nil, protocol.WakeParams{Mode: protocol.WakeNow, Text: "x"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if want := []string{"24h0m0.25s skipped disabled"}; !slices.Equal(heard.what, want) {
			t.Errorf("got %q", heard.what)
		}
		if h := f.Heartbeat(); h.Enabled || h.EveryMs != nil {
			t.Errorf("%+v", h)
		}
	})
}
