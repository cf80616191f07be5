package supervisor

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/atomicfile"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/handoff"
	"github.com/coderclaw/coderclaw/profiles"
)

// check asks whether the profile can be started; a problem becomes the error.
func (s *Supervisor) check(ctx context.Context, p profiles.Profile) (Checked, error) {
	c, err := s.o.Check(ctx, p)
	if err == nil {
		err = c.Problem
	}
	if err == nil {
		return c, nil
	}
	class, code := instance.ClassConfig, exitcode.Config
	switch exitcode.Of(err) {
	case exitcode.Busy:
		class, code = instance.ClassPort, exitcode.Busy
	case exitcode.Auth:
		class, code = instance.ClassAuth, exitcode.Auth
	}
	return c, exitcode.With(code, &instance.BlockedError{Reason: err.Error(), Class: class})
}

// chosen is the config that a start would run.
type chosen struct {
	Checked
	path     string
	degraded string // why that is the last good one and not the profile's own
}

// choose takes the profile's config, or where that is invalid the last one with
// which its gateway became ready.
func (s *Supervisor) choose(ctx context.Context, p profiles.Profile) (chosen, error) {
	c, err := s.check(ctx, p)
	if err == nil || !s.o.LastGood || exitcode.Of(err) != exitcode.Config {
		return chosen{Checked: c, path: p.ConfigPath}, err
	}
	good := p
	good.ConfigPath = p.LastGoodFile()
	if _, missing := os.Stat(good.ConfigPath); missing != nil {
		return chosen{}, err
	}
	g, goodErr := s.check(ctx, good)
	if goodErr != nil {
		return chosen{}, err
	}
	return chosen{Checked: g, path: good.ConfigPath,
		degraded: "degraded: runs on its last good config, because the one as written is invalid: " + strings.Join(strings.Fields(err.Error()), " ")}, nil
}

// hash names what is run: the config with all that it includes, and the program.
func (s *Supervisor) hash(c chosen) string { return c.Hash + "+" + s.program.of(s.o.Exe) }

// fingerprint is the hash that a start would have now.
func (s *Supervisor) fingerprint(ctx context.Context, p profiles.Profile) string {
	c, err := s.choose(ctx, p)
	if err != nil {
		return err.Error()
	}
	return s.hash(c)
}

// prepare checks the profile and binds its addresses for one start.
func (s *Supervisor) prepare(ctx context.Context, u *unit) (instance.Launch, error) {
	p := u.profile
	c, err := s.choose(ctx, p)
	if err != nil {
		return instance.Launch{}, err
	}
	if c.InUse != nil {
		return instance.Launch{}, exitcode.With(exitcode.Busy, &instance.BlockedError{Reason: c.InUse.Error(), Class: instance.ClassLock})
	}
	if full := diskFull(p.StateDir); full != "" {
		return instance.Launch{}, exitcode.With(exitcode.Busy, &instance.BlockedError{Reason: full, Class: instance.ClassDisk})
	}
	files, err := u.listeners.bind(ctx, c.Addrs, s.o.Log)
	if err != nil {
		return instance.Launch{}, err
	}
	if c.degraded != "" {
		s.o.Log.Warn("degraded", "profile", p.Name, "reason", c.degraded)
	}
	u.setAddr(reachable(c.Checked), c.Scheme)
	return instance.Launch{
		Path: s.o.Exe, Args: []string{s.o.Exe, "gateway", "run"}, Env: childEnv(s.environ, p), Dir: p.StateDir, Files: files,
		Handoff: handoff.Message{Profile: p.Name, StateDir: p.StateDir, ConfigPath: c.path, Workspace: p.Workspace,
			Port: c.Port, Drain: p.Drain, Degraded: c.degraded, Env: c.Env, Isolation: s.isolation(p), ControlSocket: s.socket},
		Hash: s.hash(c), Degraded: c.degraded, Live: u.tally.timed(c.Live), Serving: c.Serving,
		OnReady: s.onReady(u, c, u.kept.began()),
	}, nil
}

// onReady is what happens when the gateway of u that runs c is ready for the first
// time; start is the number that kept gave to this start.
func (s *Supervisor) onReady(u *unit, c chosen, start int64) func() {
	return func() {
		if c.degraded != "" || !s.o.LastGood {
			return
		}
		if err := keepGood(u.profile, c.Whole); err != nil {
			s.o.Log.Warn("the config is good, but cannot be kept for the time when it is not", "profile", u.profile.Name, "err", err)
			return
		}
		u.kept.done(start)
	}
}

// kept tells whether the last good config is the one with which the present child
// was started: that becomes so a moment after the child is ready. It is safe for
// concurrent use.
type kept struct{ starts, last atomic.Int64 }

// began notes a start, and gives its number.
func (k *kept) began() int64 { return k.starts.Add(1) }

// done notes that the config of a start is kept.
func (k *kept) done(start int64) { k.last.Store(start) }

func (k *kept) holds() bool { return k.last.Load() == k.starts.Load() }

// childEnv is the environment of the gateway of p. One that is walled off gets a
// temporary directory of its own, for the machine's is outside of its walls.
// passed is what Environ lets through of our own.
func childEnv(passed []string, p profiles.Profile) []string {
	if p.Isolation == profiles.IsolationOff {
		return passed
	}
	env := make([]string, 0, len(passed)+1)
	for _, kv := range passed {
		if !strings.HasPrefix(kv, "TMPDIR=") {
			env = append(env, kv)
		}
	}
	return append(env, "TMPDIR="+p.TempDir())
}

// keepGood keeps the text of a config with which the gateway became ready.
func keepGood(p profiles.Profile, text []byte) error {
	if old, err := os.ReadFile(p.LastGoodFile()); len(text) == 0 || err == nil && bytes.Equal(old, text) {
		return nil
	}
	if err := atomicfile.WriteFile(p.LastGoodFile(), text, 0o600); err != nil {
		return fmt.Errorf("last good config: %w", err)
	}
	return nil
}

// reachable is the address that a client on this machine uses.
func reachable(c Checked) netip.AddrPort {
	addr := localhost()
	if len(c.Addrs) > 0 && !c.Addrs[0].Addr().IsUnspecified() {
		addr = c.Addrs[0].Addr()
	}
	return netip.AddrPortFrom(addr, uint16(c.Port))
}
