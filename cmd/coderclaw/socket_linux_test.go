package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/internal/systemdtest"
	"github.com/coderclaw/coderclaw/servicegen"
)

// defaultPort is the base of the default profile.
const defaultPort = 18789

// render puts a service file of the default profile where the user's manager reads it.
func (h host) render(name string, args ...string) {
	h.Helper()
	text := h.must("coderclaw", append([]string{"service", "render"}, args...)...)
	if err := os.MkdirAll(h.units, 0o700); err != nil {
		h.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.units, name), []byte(text), 0o600); err != nil {
		h.Fatal(err)
	}
}

// ready waits for a gateway of the default profile.
func (h host) ready() {
	h.Helper()
	h.until("the gateway is ready", h.answers)
}

// TestSocketUnit: whoever connects while the whole service is replaced is served
// by the next one.
func TestSocketUnit(t *testing.T) {
	t.Parallel()
	if !systemdtest.Inside(t) {
		return
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	const service, socket = "coderclaw-gateway.service", "coderclaw-gateway.socket"
	h := host{t, filepath.Join(home, ".config", "systemd", "user")}
	h.must("systemctl", "--user", "is-system-running", "--wait")
	h.must("coderclaw", "setup")
	h.render(service, "--target", "systemd-user", "--socket")
	h.render(socket, "--target", "systemd-socket")
	if out := h.must("systemd-analyze", "--user", "verify", filepath.Join(h.units, service), filepath.Join(h.units, socket)); out != "" {
		t.Errorf("verify: %s", out)
	}
	other := "127.0.0.1:" + strconv.Itoa(defaultPort+1000) // where no gateway listens
	dropIn := filepath.Join(h.units, socket+".d")
	if err := os.Mkdir(dropIn, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dropIn, "more.conf"), []byte("[Socket]\nListenStream="+other+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.must("systemctl", "--user", "daemon-reload")
	h.must("systemctl", "--user", "enable", "--now", socket, service)
	h.ready()
	h.until("the socket that nobody wants is told of", func() bool {
		return strings.Contains(h.must("journalctl", "--quiet", "--output=cat", "--user-unit="+service), "is closed, because no profile listens there")
	})

	for _, name := range []string{service, socket} {
		text, err := os.ReadFile(filepath.Join(h.units, name))
		if err != nil {
			t.Fatal(err)
		}
		var more [][]byte
		if name == socket {
			more = append(more, []byte("[Socket]\nListenStream="+other+"\n"))
		}
		onDisk, err := servicegen.ParseView(servicegen.FormatSystemd, servicegen.ScopeUser, text, more...)
		if err != nil {
			t.Fatal(err)
		}
		manager := servicegen.NewSystemd(servicegen.HostOptions{UID: os.Getuid(), Env: os.LookupEnv})
		state, err := manager.State(t.Context(), servicegen.Unit{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		if diff := servicegen.Diff(onDisk, state.View); len(diff) > 0 {
			t.Errorf("%s: disk and loaded differ: %v", name, diff)
		}
	}

	s := &supervised{oneHome: oneHome{T: t, port: defaultPort, home: home, env: os.Environ()}}
	var o outcome
	ctx, cancel := context.WithCancel(t.Context())
	wg := s.clients(ctx, 8, &o)
	last := h.pid("default")
	for range 5 {
		h.must("systemctl", "--user", "reset-failed", service) // or the start limit is reached, which counts these starts too
		h.must("systemctl", "--user", "restart", service)
		h.ready()
		pid := h.pid("default")
		if pid == last || pid == 0 {
			t.Errorf("a restart left gateway pid %d, before it was %d", pid, last)
		}
		last = pid
	}
	cancel()
	wg.Wait()
	t.Logf("%d answered, %d refused, %d broken", o.ok.Load(), o.refused.Load(), o.broken.Load())
	if o.refused.Load() != 0 || o.broken.Load() != 0 || o.ok.Load() == 0 {
		t.Errorf("%d answered, %d refused, %d broken", o.ok.Load(), o.refused.Load(), o.broken.Load())
	}

	// Not even the death of the supervisor refuses anybody; whom its gateway had accepted breaks.
	var deaths outcome
	ctx, cancel = context.WithCancel(t.Context())
	wg = s.clients(ctx, 8, &deaths)
	for range 2 {
		last := h.pid("default")
		h.must("systemctl", "--user", "kill", "--kill-whom=main", "--signal=KILL", service)
		h.until("another gateway", func() bool { pid := h.pid("default"); return pid != 0 && pid != last })
		h.ready()
	}
	cancel()
	wg.Wait()
	t.Logf("%d answered, %d refused, %d broken", deaths.ok.Load(), deaths.refused.Load(), deaths.broken.Load())
	if deaths.refused.Load() != 0 || deaths.ok.Load() == 0 {
		t.Errorf("%d answered, %d refused", deaths.ok.Load(), deaths.refused.Load())
	}

	// The sockets outlive the gateway and the supervisor's program.
	h.must("coderclaw", "supervisor", "reexec")
	h.must("coderclaw", "supervisor", "stop")
	h.must("coderclaw", "supervisor", "start")
	if out := h.must("coderclaw", "gateway", "status"); !strings.Contains(out, "owns the port: yes, ready: yes") {
		t.Errorf("status: %s", out)
	}
	main := strings.TrimSpace(h.must("systemctl", "--user", "show", "-p", "MainPID", "--value", service))
	for _, pid := range []string{main, strconv.Itoa(h.pid("default"))} {
		env, err := os.ReadFile("/proc/" + pid + "/environ")
		if err != nil {
			t.Fatal(err)
		}
		// What execve was given stays to be seen for the supervisor until it is replaced, which it was.
		for kv := range strings.SplitSeq(string(env), "\x00") {
			if strings.HasPrefix(kv, "LISTEN_") {
				t.Errorf("pid %s has %s", pid, kv)
			}
		}
	}

	// --force ends what is in the way, but never the user's service manager.
	h.must("systemctl", "--user", "stop", service)
	out, code := h.run("coderclaw", "gateway", "--force")
	if code != 75 || !strings.Contains(out, "for a socket unit; stop that unit first; this names it: systemctl --user list-sockets") {
		t.Errorf("--force: exit %d %s", code, out)
	}
	h.must("systemctl", "--user", "is-active", socket)
}
