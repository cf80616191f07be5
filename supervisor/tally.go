package supervisor

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/exposition"
)

// exitClasses are all classes that an exit can have, see instance.Exit.
func exitClasses() []string {
	return []string{instance.ClassClean, instance.ClassConfig, instance.ClassPort, instance.ClassAuth, instance.ClassCrash, instance.ClassOOM, instance.ClassKilled}
}

// startBounds and probeBounds are those of the histograms, in seconds: around the
// 12 ms that a start is to take and the 60 s that it may, and around the fraction
// of a millisecond that a request on loopback takes and the 5 s that it may.
func startBounds() []float64 { return []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 15, 60} }
func probeBounds() []float64 { return []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5} }

// tally counts what happens to one unit, from the start of the supervisor on. It
// is safe for concurrent use.
type tally struct {
	logBytes atomic.Int64
	missed   atomic.Int64          // liveness probes without an answer
	starts   *exposition.Histogram // from the start of a child to its being ready
	probes   *exposition.Histogram // liveness probes with an answer

	mu       sync.Mutex // guards what follows
	restarts map[string]int
	last     instance.Snapshot
	began    time.Time // when the child of last was started
}

func newTally() *tally {
	return &tally{starts: exposition.NewHistogram(startBounds()), probes: exposition.NewHistogram(probeBounds()), restarts: map[string]int{}}
}

// changed takes note of a change of the instance. It must be told all, in order.
func (t *tally) changed(snap instance.Snapshot) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := snap.Restarts - t.last.Restarts; n > 0 {
		class := instance.ClassClean // it was asked to end, however it did
		if t.last.State != instance.Draining && snap.LastExit != nil {
			class = snap.LastExit.Class
		}
		t.restarts[class] += n
	}
	same := snap.ID == t.last.ID
	if !same {
		t.began = now
	}
	if same && t.last.State == instance.Starting && snap.State == instance.Ready {
		t.starts.Observe(now.Sub(t.began).Seconds())
	}
	t.last = snap
}

// counted returns the restarts by class, and how long the child has run, 0 without one.
func (t *tally) counted() (restarts map[string]int, uptime time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	restarts = make(map[string]int, len(t.restarts))
	for class, n := range t.restarts {
		restarts[class] = n
	}
	if t.last.ID != "" {
		uptime = time.Since(t.began)
	}
	return restarts, uptime
}

// timed is ask with its answers timed; nil stays nil. What is given up because the
// child has ended is neither an answer nor the lack of one.
func (t *tally) timed(ask func(context.Context) error) func(context.Context) error {
	if ask == nil {
		return nil
	}
	return func(ctx context.Context) error {
		began := time.Now()
		err := ask(ctx)
		switch {
		case err == nil:
			t.probes.Observe(time.Since(began).Seconds())
		case !errors.Is(ctx.Err(), context.Canceled):
			t.missed.Add(1)
		}
		return err
	}
}
