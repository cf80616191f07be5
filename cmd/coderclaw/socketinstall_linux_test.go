package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/internal/systemdtest"
)

// TestServicesSocket installs a service with a socket unit, and without again.
func TestServicesSocket(t *testing.T) {
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
	x := transaction{h, "", filepath.Join(h.units, service)}
	h.must("systemctl", "--user", "is-system-running", "--wait")
	active := func() string {
		out, _ := h.run("systemctl", "--user", "is-active", socket, service)
		return strings.Join(strings.Fields(out), " ")
	}
	h.must("coderclaw", "gateway", "install") // the port moves from the service to the socket
	h.must("coderclaw", "gateway", "install", "--socket")
	if got := active(); got != "active active" {
		t.Fatalf("socket and service are %s", got)
	}
	h.healthy()
	if out := h.must("systemd-analyze", "--user", "verify", filepath.Join(h.units, service), filepath.Join(h.units, socket)); out != "" {
		t.Errorf("verify: %s", out)
	}
	before := x.traces()
	for _, args := range [][]string{{"--socket"}, nil} {
		if out := h.must("coderclaw", append([]string{"gateway", "install"}, args...)...); !strings.Contains(out, "already enabled") {
			t.Errorf("install %v says:\n%s", args, out)
		}
		x.same(before)
	}
	if found, code := h.findings(); code != 0 {
		t.Errorf("doctor: exit %d, %v", code, found)
	}

	s := &supervised{oneHome: oneHome{T: t, port: defaultPort, home: home, env: os.Environ()}}
	var o outcome
	ctx, cancel := context.WithCancel(t.Context())
	wg := s.clients(ctx, 4, &o)
	for range 3 {
		h.must("systemctl", "--user", "restart", service)
		h.ready()
	}
	cancel()
	wg.Wait()
	if o.refused.Load() != 0 || o.ok.Load() == 0 {
		t.Errorf("%d answered, %d refused", o.ok.Load(), o.refused.Load())
	}

	h.must("coderclaw", "gateway", "stop")
	if c, err := new(net.Dialer).DialContext(t.Context(), "tcp", "127.0.0.1:"+strconv.Itoa(defaultPort)); err == nil {
		t.Errorf("somebody listens after stop: %v", c.Close())
	}
	if got := active(); got != "inactive inactive" {
		t.Errorf("after stop socket and service are %s", got)
	}
	h.must("coderclaw", "gateway", "start")
	if got := active(); got != "active active" {
		t.Errorf("after start socket and service are %s", got)
	}
	h.healthy()

	h.must("coderclaw", "gateway", "install", "--socket=false")
	if got := active(); got != "inactive active" || there(filepath.Join(h.units, socket)) {
		t.Errorf("without a socket unit, socket and service are %s", got)
	}
	h.healthy()
	h.must("coderclaw", "gateway", "install", "--socket")
	h.must("coderclaw", "gateway", "uninstall")
	if left := x.traces(); len(left) > 0 {
		t.Errorf("uninstall leaves %v", left)
	}
	if out := h.must("systemctl", "--user", "list-units", "--all", "--plain", "--no-legend", "coderclaw*"); out != "" {
		t.Errorf("systemd still knows:\n%s", out)
	}
}
