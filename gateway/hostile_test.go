package gateway_test

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway/client"
)

var soak = flag.Bool("soak", false, "hostile load in its full lengths")

// heapSlack is what the heap may have more of after an attack than before it: caches of
// the libraries, presence, and what other goroutines hold for the moment.
const heapSlack = 8 << 20

// TestHostile: whatever some clients do, the others are answered and newcomers let in,
// and afterwards nothing of it is left. It is alone in the process, as it looks at the heap.
func TestHostile(t *testing.T) {
	r := start(t)
	b := r.bystander(t)
	of := short
	if *soak {
		of = full
	}
	for _, a := range attacks(of) {
		t.Run(a.name, func(t *testing.T) {
			before := heap()
			f := &foes{t: t, r: r}
			seen := b.watch(func() {
				a.run(f)
				c, err := r.dial(t, client.Options{Token: secret, Identity: identity(t)})
				if err != nil {
					t.Fatalf("a newcomer: %v", err)
				}
				if err := c.Call(t.Context(), "health", nil, nil); err != nil {
					t.Errorf("a newcomer: %v", err)
				}
				c.Close()
				if _, strangers := r.gateway.Connections(); strangers > f.strangers() {
					t.Errorf("%d strangers at once", strangers)
				}
				f.leave()
			})
			t.Logf("%s", seen)
			for n, _ := r.gateway.Connections(); n > 1; n, _ = r.gateway.Connections() {
				time.Sleep(time.Millisecond) // not to take the processor from those who are to go
			}
			if after := heap(); after > before+heapSlack {
				t.Errorf("the heap has grown from %d to %d kB", before>>10, after>>10)
			}
		})
	}
}

// heap is what is in use after everything was collected that can be.
func heap() uint64 {
	runtime.GC() // pools are emptied at the second
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// bystander is a client that does what clients do, all the time.
type bystander struct {
	t    *testing.T
	call func(context.Context) error
}

func (r *running) bystander(t *testing.T) *bystander {
	c, err := r.dial(t, client.Options{Token: secret, Identity: identity(t)})
	if err != nil {
		t.Fatal(err)
	}
	return &bystander{t, func(ctx context.Context) error { return c.Call(ctx, "health", nil, nil) }}
}

// watch makes its call again and again while do runs, and tells how long it took.
func (b *bystander) watch(do func()) (l latencies) {
	stop := make(chan struct{})
	var calls sync.WaitGroup
	calls.Go(func() {
		for {
			begin := time.Now()
			if err := b.call(b.t.Context()); err != nil {
				b.t.Errorf("the bystander: %v", err)
				return
			}
			l = append(l, time.Since(begin))
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	func() {
		defer calls.Wait()
		defer close(stop)
		do()
	}()
	return l
}

type latencies []time.Duration

// at is the latency that this share of the calls did not exceed.
func (l latencies) at(share float64) time.Duration {
	slices.Sort(l)
	return l[int(share*float64(len(l)-1))].Round(time.Microsecond)
}

func (l latencies) String() string {
	return fmt.Sprintf("%d calls, p50 %s, p99 %s, longest %s", len(l), l.at(.5), l.at(.99), l.at(1))
}
