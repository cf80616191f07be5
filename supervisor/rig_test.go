//go:build unix

package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// patience bounds every wait of a test, far above what any takes.
const patience = time.Minute

// testProfiles makes profiles with state dirs of their own below dir.
func testProfiles(t *testing.T, names ...string) []profiles.Profile {
	t.Helper()
	dir := t.TempDir()
	ports := freePorts(t, len(names))
	var ps []profiles.Profile
	for i, name := range names {
		state := filepath.Join(dir, name)
		ps = append(ps, profiles.Profile{Name: name, Port: ports[i], StateDir: state, ConfigPath: filepath.Join(state, "coderclaw.json"),
			Workspace: filepath.Join(state, "workspace"), Drain: profiles.DefaultDrain})
	}
	return ps
}

// testOptions are those of a supervisor whose gateways are fakes. What stands in
// a profile's config is its problem.
func testOptions(ps []profiles.Profile, temp string) Options {
	return Options{
		Profiles: ps, Exe: os.Args[0], Origin: OriginRun, Version: "1", TempDir: temp,
		Environ: append(os.Environ(), "NOTIFY_SOCKET=/nowhere", "CODERCLAW_GATEWAY_TOKEN=secret", "LANG=C", "LC_ALL=C", "https_proxy=http://p"),
		Log:     slog.New(slog.DiscardHandler),
		Check: func(_ context.Context, p profiles.Profile) (Checked, error) {
			c := Checked{Port: p.Port, Env: map[string]string{"KEY": "of " + p.Name}}
			c.Addrs = []netip.AddrPort{netip.AddrPortFrom(localhost(), uint16(p.Port))}
			problem, err := os.ReadFile(p.ConfigPath)
			if err == nil {
				c.Problem = errors.New(strings.TrimSpace(string(problem)))
			}
			return c, nil
		},
	}
}

// shortTemp is like t.TempDir, with a name that leaves room for the path of a socket.
func shortTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// rig is a supervisor that runs for one test.
type rig struct {
	t      *testing.T
	ps     []profiles.Profile
	client *control.Client
	info   control.LockInfo
	stop   context.CancelFunc
	done   chan error // what Run returned

	mu       sync.Mutex // guards what follows
	notified []string
	lines    map[string]string
}

// supervise starts a supervisor and waits until it answers.
func supervise(t *testing.T, ps []profiles.Profile, change func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, ps: ps, done: make(chan error, 1), lines: map[string]string{}}
	ready := make(chan struct{})
	isReady := sync.OnceFunc(func() { close(ready) }) // it is said again after a successor has failed
	o := testOptions(ps, shortTemp(t))
	o.Notify = func(state string) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.notified = append(r.notified, state)
		if strings.HasPrefix(state, "READY=1") {
			isReady()
		}
		return nil
	}
	o.Lines = func(profile string, batch []byte) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.lines[profile] += string(batch)
	}
	if change != nil {
		change(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r.stop = cancel
	go func() { r.done <- s.Run(ctx) }()
	t.Cleanup(r.end)
	select {
	case <-ready:
	case err := <-r.done:
		r.done <- err
		t.Fatalf("the supervisor ended at once: %v", err)
	}
	if r.client, r.info, err = control.Find(ps[0]); err != nil {
		t.Fatal(err)
	}
	return r
}

// end ends the supervisor if it still runs.
func (r *rig) end() {
	r.stop()
	if err := <-r.done; err != nil {
		r.t.Errorf("Run returned %v", err)
	}
	r.done <- nil
}

// until watches until ok accepts the status.
func (r *rig) until(what string, ok func(control.Status) bool) control.Status {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	var last control.Status
	met := false
	err := r.client.Watch(ctx, func(s control.Status) {
		if met {
			return
		}
		last = s
		if met = ok(s); met {
			cancel()
		}
	})
	if !met {
		text, _ := json.Marshal(last.Instances)
		r.t.Fatalf("waited for: %s; got %v, %s", what, err, text)
	}
	return last
}

func (r *rig) allReady() control.Status {
	r.t.Helper()
	return r.until("all ready", func(s control.Status) bool {
		for _, i := range s.Instances {
			if i.State != instance.Ready {
				return false
			}
		}
		return true
	})
}

// refused waits until nobody takes clients at the port. What another test is just
// starting may have a socket open that was closed, until it runs its own program.
func refused(t *testing.T, port int) {
	t.Helper()
	waitFor(t, fmt.Sprintf("the end of clients at port %d", port), func() bool {
		_, dialed, _ := ask(t.Context(), port, "")
		return !dialed
	})
}

// waitFor polls for what no event tells.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for: %s", what)
		}
	}
}
