//go:build unix

package supervisor

import (
	"os"
	"sync"
	"syscall"
	"testing"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// TestSiblingsOutliveTheFirstStateDir: what all children share lies in it, and
// must not go with it.
func TestSiblingsOutliveTheFirstStateDir(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "a", "b")
	var mu sync.Mutex
	var b control.Instance // the control socket lies in the state dir as well
	r := supervise(t, ps, func(o *Options) {
		o.OnStatus = func(s control.Status) {
			mu.Lock()
			defer mu.Unlock()
			b = s.Instances[1]
		}
	})
	first := r.allReady()
	away := ps[0].StateDir + ".away"
	if err := os.Rename(ps[0].StateDir, away); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(first.Instances[1].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a successor of b", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return b.State == instance.Ready && b.PID != first.Instances[1].PID
	})
	if err := os.Rename(away, ps[0].StateDir); err != nil {
		t.Fatal(err)
	}
	r.until("a as it was", func(s control.Status) bool {
		return s.Instances[0].PID == first.Instances[0].PID && s.Instances[0].State == instance.Ready
	})
}
