package supervisor

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/exposition"
)

// histogram is h as text.
func histogram(h *exposition.Histogram) string {
	var b bytes.Buffer
	w := exposition.NewWriter(&b)
	w.Begin(exposition.Family{Name: "h", Kind: exposition.KindHistogram})
	w.Histogram(h)
	_ = w.Flush() // into memory
	return b.String()
}

func TestTally(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tl := newTally()
		exit := func(class string) *instance.Exit { return &instance.Exit{Class: class} }
		for _, step := range []struct {
			after time.Duration
			snap  instance.Snapshot
		}{
			{0, instance.Snapshot{State: instance.Blocked}},
			{time.Second, instance.Snapshot{State: instance.Starting, ID: "a"}},
			{2 * time.Second, instance.Snapshot{State: instance.Ready, ID: "a"}}, // took 2 s
			{time.Hour, instance.Snapshot{State: instance.Unhealthy, ID: "a"}},
			{time.Second, instance.Snapshot{State: instance.Ready, ID: "a"}}, // no start
			{time.Second, instance.Snapshot{State: instance.Starting, ID: "b", Restarts: 1, LastExit: exit(instance.ClassCrash)}},
			{time.Second, instance.Snapshot{State: instance.BackingOff, Restarts: 2, LastExit: exit(instance.ClassConfig)}}, // was never ready
			{0, instance.Snapshot{State: instance.BackingOff, Restarts: 2, LastExit: exit(instance.ClassConfig)}},
			{time.Second, instance.Snapshot{State: instance.Starting, ID: "c", Restarts: 2, LastExit: exit(instance.ClassConfig)}},
			{4 * time.Second, instance.Snapshot{State: instance.Ready, ID: "c", Restarts: 2, LastExit: exit(instance.ClassConfig)}}, // took 4 s
			{time.Minute, instance.Snapshot{State: instance.Draining, ID: "c", Restarts: 2, LastExit: exit(instance.ClassConfig)}},
			{time.Minute, instance.Snapshot{State: instance.Starting, ID: "d", Restarts: 3, LastExit: exit(instance.ClassKilled)}}, // at the end of the grace
		} {
			<-time.After(step.after)
			tl.changed(step.snap)
		}
		<-time.After(7 * time.Second)
		restarts, uptime := tl.counted()
		if want := map[string]int{"crash": 1, "config": 1, "clean": 1}; !maps.Equal(restarts, want) {
			t.Errorf("restarts %v; want %v", restarts, want)
		}
		if uptime != 7*time.Second {
			t.Errorf("uptime %s", uptime)
		}
		if got := histogram(tl.starts); !strings.HasSuffix(got, "h_sum 6\nh_count 2\n") {
			t.Errorf("starts:\n%s", got)
		}
		tl.changed(instance.Snapshot{State: instance.Stopped, Restarts: 3})
		if _, uptime := tl.counted(); uptime != 0 {
			t.Errorf("without a child: uptime %s", uptime)
		}
	})
}

func TestProbesAreTimed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tl := newTally()
		if tl.timed(nil) != nil {
			t.Error("what is not asked is asked")
		}
		answer := tl.timed(func(ctx context.Context) error {
			select {
			case <-time.After(2 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if err := answer(t.Context()); err != nil {
			t.Error(err)
		}
		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := answer(late); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		given, up := context.WithCancel(t.Context())
		up()
		if err := answer(given); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if err := tl.timed(func(context.Context) error { return errors.New("refused") })(t.Context()); err == nil {
			t.Error("the error is lost")
		}
		if n := tl.missed.Load(); n != 2 {
			t.Errorf("%d missed; want 2", n)
		}
		if got := histogram(tl.probes); !strings.HasSuffix(got, "h_sum 2\nh_count 1\n") {
			t.Errorf("probes:\n%s", got)
		}
	})
}
