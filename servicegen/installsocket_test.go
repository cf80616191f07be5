package servicegen

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakePair is a manager of a service and of its socket unit, of which only one can
// take the port, but that the service has it from its socket.
type fakePair struct {
	dir             string
	service, socket *fakeManager
	held            bool // by a stranger
	direct          bool // the service has bound the port by itself

	asked   []string
	breakAt int // the request of this number, from 1, breaks by what; 0: none does
	what    func() error
	after   bool // it has done its work by then
}

func newPair(t *testing.T) (*fakePair, Unit, Spec, Spec) {
	t.Helper()
	dir := t.TempDir()
	p := &fakePair{dir: dir, service: &fakeManager{format: FormatSystemd, dir: dir}, socket: &fakeManager{format: FormatSystemd, dir: dir}}
	o := options(FormatSystemd)
	plain := ForProfile(profile("default"), o)
	o.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:18789")}
	return p, plain.Unit(dir), ForProfile(profile("default"), o), SocketFor(profile("default"), o)
}

func (p *fakePair) of(u Unit) *fakeManager {
	if u.IsSocket() {
		return p.socket
	}
	return p.service
}

func (p *fakePair) do(verb string, u Unit, do func(*fakeManager) error) error {
	p.asked = append(p.asked, verb+strings.TrimPrefix(u.Name, "coderclaw-gateway"))
	breaks := p.breakAt == len(p.asked)
	if breaks && !p.after {
		return p.what()
	}
	if err := do(p.of(u)); err != nil {
		return err
	}
	if breaks && p.after {
		return p.what()
	}
	return nil
}

func (p *fakePair) Format() Format { return FormatSystemd }

func (p *fakePair) Reload(ctx context.Context, u Unit) error {
	return p.do("reload", u, func(*fakeManager) error {
		for _, name := range []string{"coderclaw-gateway.service", "coderclaw-gateway.socket"} {
			each := Unit{Name: name, Path: filepath.Join(p.dir, name)}
			if err := p.of(each).Reload(ctx, each); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p *fakePair) Enable(ctx context.Context, u Unit) error {
	return p.do("enable", u, func(m *fakeManager) error { return m.Enable(ctx, u) })
}

func (p *fakePair) Disable(ctx context.Context, u Unit) error {
	return p.do("disable", u, func(m *fakeManager) error { return m.Disable(ctx, u) })
}

func (p *fakePair) Start(ctx context.Context, u Unit) error {
	return p.do("start", u, func(m *fakeManager) error {
		if m.active {
			return nil
		}
		if u.IsSocket() && (p.held || p.direct) {
			m.failed = true
			return &JobError{Unit: u.Name, Verb: "start", Result: "failed"}
		}
		if err := m.Start(ctx, u); err != nil {
			return err
		}
		p.bind(u)
		return nil
	})
}

// bind has a service that has just started take the port, if its socket does not pass it on.
func (p *fakePair) bind(u Unit) {
	if !u.IsSocket() {
		p.direct = !(p.socket.active && strings.Contains(p.service.loaded, "Sockets="))
	}
}

func (p *fakePair) Restart(ctx context.Context, u Unit) error {
	return p.do("restart", u, func(m *fakeManager) error {
		if u.IsSocket() && p.service.active {
			return &JobError{Unit: u.Name, Verb: "restart", Result: "failed"}
		}
		if err := m.Restart(ctx, u); err != nil {
			return err
		}
		p.bind(u)
		return nil
	})
}

func (p *fakePair) Stop(ctx context.Context, u Unit) error {
	return p.do("stop", u, func(m *fakeManager) error {
		if !u.IsSocket() {
			p.direct = false
		}
		return m.Stop(ctx, u)
	})
}

func (p *fakePair) ResetFailed(ctx context.Context, u Unit) error {
	return p.do("reset", u, func(m *fakeManager) error { return m.ResetFailed(ctx, u) })
}

func (p *fakePair) State(ctx context.Context, u Unit) (State, error) { return p.of(u).State(ctx, u) }

// state is all that a person could see of the pair.
func (p *fakePair) state(t *testing.T) map[string]string {
	t.Helper()
	out := whole(t, p.dir)
	for name, m := range map[string]*fakeManager{"service": p.service, "socket": p.socket} {
		out[name] = fmt.Sprintf("active %v, failed %v", m.active, m.failed)
		if m.active {
			out[name] += ", loaded " + m.loaded
		}
	}
	out["port"] = fmt.Sprintf("bound by the service itself: %v", p.direct)
	return out
}

// pairBefores are what may be there when a socket unit is installed or removed.
var pairBefores = map[string]func(t *testing.T, p *fakePair, u Unit, s, socket Spec){
	"nothing": func(*testing.T, *fakePair, Unit, Spec, Spec) {},
	"the service alone": func(t *testing.T, p *fakePair, u Unit, s, _ Spec) {
		s.Socket = ""
		installPair(t, p, u, s, InstallOptions{})
	},
	"both": func(t *testing.T, p *fakePair, u Unit, s, socket Spec) {
		installPair(t, p, u, s, InstallOptions{Socket: &socket})
	},
	"both, at another port": func(t *testing.T, p *fakePair, u Unit, s, socket Spec) {
		socket.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:19000")}
		installPair(t, p, u, s, InstallOptions{Socket: &socket})
	},
	"both, the service down": func(t *testing.T, p *fakePair, u Unit, s, socket Spec) {
		installPair(t, p, u, s, InstallOptions{Socket: &socket})
		if err := p.Stop(t.Context(), u); err != nil {
			t.Fatal(err)
		}
	},
}

func installPair(t *testing.T, p *fakePair, u Unit, s Spec, o InstallOptions) {
	t.Helper()
	if _, err := Install(t.Context(), p, u, s, o); err != nil {
		t.Fatal(err)
	}
	p.asked = nil
}

func TestInstallSocket(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct{ with, without string }{
		"nothing": {"enable.socket reload.socket enable.service reload.service start.socket start.service", "enable.service reload.service start.service"},
		"the service alone": {"enable.socket reload.socket enable.service reload.service stop.service start.socket start.service",
			""},
		"both": {"", "enable.service reload.service stop.socket stop.service disable.socket reload.socket reset.socket start.service"},
		"both, at another port": {"enable.socket reload.socket stop.socket stop.service start.socket start.service",
			"enable.service reload.service stop.socket stop.service disable.socket reload.socket reset.socket start.service"},
		"both, the service down": {"start.service", "enable.service reload.service stop.socket disable.socket reload.socket reset.socket start.service"},
	} {
		for _, with := range []bool{true, false} {
			p, u, s, socket := newPair(t)
			pairBefores[name](t, p, u, s, socket)
			p.asked = nil
			o, asked := InstallOptions{Socket: &socket}, want.with
			if !with {
				o, asked = InstallOptions{NoSocket: true}, want.without
				s.Socket = ""
			}
			if _, err := Install(t.Context(), p, u, s, o); err != nil {
				t.Errorf("%s, with %v: %v", name, with, err)
			}
			if got := strings.Join(p.asked, " "); got != asked {
				t.Errorf("%s, with %v: asked\n%q, want\n%q", name, with, got, asked)
			}
			if !p.service.active || p.socket.active != with || p.direct == with || p.socket.failed {
				t.Errorf("%s, with %v: %v", name, with, p.state(t))
			}
			p.asked = nil
			before := p.state(t)
			r, err := Install(t.Context(), p, u, s, o)
			if err != nil || r.Changed() || len(p.asked) > 0 || cmp.Diff(before, p.state(t)) != "" {
				t.Errorf("%s, with %v, again: %+v, %v, asked %q", name, with, r, err, p.asked)
			}
			for _, gone := range []Unit{u.SocketUnit(), u} {
				if _, err := Uninstall(t.Context(), p, gone, UninstallOptions{}); err != nil {
					t.Errorf("%s, with %v: %v", name, with, err)
				}
			}
			if left := tree(t, p.dir); len(left) > 0 || p.service.active || p.socket.active {
				t.Errorf("%s, with %v: left %v", name, with, left)
			}
		}
	}
}

// TestInstallSocketUndoes: whichever step fails, both units are as they were.
func TestInstallSocketUndoes(t *testing.T) {
	t.Parallel()
	for name, before := range pairBefores {
		for _, with := range []bool{true, false} {
			options := func(socket *Spec) InstallOptions {
				if with {
					return InstallOptions{Socket: socket}
				}
				return InstallOptions{NoSocket: true}
			}
			target := func(s Spec) Spec {
				if !with {
					s.Socket = ""
				}
				return s
			}
			p, u, s, socket := newPair(t)
			before(t, p, u, s, socket)
			p.asked = nil
			if _, err := Install(t.Context(), p, u, target(s), options(&socket)); err != nil {
				t.Fatal(err)
			}
			for n := 1; n <= len(p.asked)+1; n++ {
				for _, after := range []bool{false, true} {
					for _, kill := range []bool{false, true} {
						t.Run(fmt.Sprintf("%s, with %v, step %d, after %v, killed %v", name, with, n, after, kill), func(t *testing.T) {
							q, u, s, socket := newPair(t)
							before(t, q, u, s, socket)
							q.asked = nil
							was := q.state(t)
							stop := errors.New("broken")
							breaks := func() error {
								if kill {
									runtime.Goexit()
								}
								return stop
							}
							o := options(&socket)
							o.Prove = func(context.Context, State) error { return nil }
							if n == len(p.asked)+1 {
								o.Prove = func(context.Context, State) error { return breaks() }
							} else {
								q.breakAt, q.after, q.what = n, after, breaks
							}
							done := make(chan error, 1)
							go func() {
								defer close(done)
								_, err := Install(context.Background(), q, u, target(s), o)
								done <- err
							}()
							err := <-done
							q.breakAt = 0
							if !kill {
								if !errors.Is(err, stop) || !strings.Contains(err.Error(), "everything is as it was") {
									t.Errorf("got %v", err)
								}
								if d := cmp.Diff(was, q.state(t)); d != "" {
									t.Errorf("asked %q (-before +after):\n%s", q.asked, d)
								}
								return
							}
							q.asked = nil
							if _, err := Install(t.Context(), q, u, target(s), options(&socket)); err != nil {
								t.Fatal(err)
							}
							if d := cmp.Diff(p.state(t), q.state(t)); d != "" {
								t.Errorf("asked %q (-without a kill +with):\n%s", q.asked, d)
							}
						})
					}
				}
			}
		}
	}
}

// TestInstallSocketThatCannotListen: the service does that then, and says who is in the way.
func TestInstallSocketThatCannotListen(t *testing.T) {
	t.Parallel()
	p, u, s, socket := newPair(t)
	p.held = true
	r, err := Install(t.Context(), p, u, s, InstallOptions{Socket: &socket})
	if err != nil || !isJobError(r.SocketErr) || !p.service.active || p.socket.active {
		t.Errorf("got %+v, %v", r, err)
	}
	if !slices.Contains(p.asked, "start.service") {
		t.Errorf("asked %q", p.asked)
	}
}
