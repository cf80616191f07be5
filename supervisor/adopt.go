package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/cgroup"
	"github.com/coderclaw/coderclaw/internal/handoff"
	"github.com/coderclaw/coderclaw/internal/lockfile"
	"github.com/coderclaw/coderclaw/profiles"
)

// lock is the one that the predecessor held on p, nil if none.
func (in *Inherited) lock(p profiles.Profile) (*lockfile.Lock, error) {
	held := in.take(p)
	if held == nil {
		return nil, nil
	}
	return held.lock()
}

func (h *heldUnit) lock() (*lockfile.Lock, error) {
	f, err := adoptFile(h.Lock, "lock")
	if err != nil {
		return nil, fmt.Errorf("profile %s: %w", h.Profile.Name, err)
	}
	return lockfile.Adopt(h.Profile.SupervisorLock(), f), nil
}

// adoptControl goes on with the control socket of the predecessor, unless its file
// has gone. nil means that another is to be made.
func (in *Inherited) adoptControl() (*net.UnixListener, error) {
	f, err := adoptFile(in.Control, "control socket")
	if err != nil {
		return nil, err
	}
	l, err := net.FileListener(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	unix, ok := l.(*net.UnixListener)
	if !ok {
		return nil, errors.Join(errors.New("control socket: it is none"), l.Close())
	}
	if _, err := os.Lstat(unix.Addr().String()); errors.Is(err, fs.ErrNotExist) {
		return nil, unix.Close()
	}
	unix.SetUnlinkOnClose(true)
	return unix, nil
}

// adoptReports goes on with the notify socket of the predecessor.
func (s *Supervisor) adoptReports(in *Inherited) error {
	if in == nil || in.Notify < 0 {
		return nil
	}
	f, err := adoptFile(in.Notify, "notify socket")
	if err != nil {
		return err
	}
	return s.reports.Adopt(in.NotifyPath, f)
}

// adoptTree goes on with the control group that the predecessor divided. Where it
// had none there is none: its gateways are in no group of theirs.
func (in *Inherited) adoptTree() (*cgroup.Tree, error) {
	if in.Tree == "" {
		return nil, errors.New(in.NoTree)
	}
	f, err := adoptFile(in.TreeLock, "control group")
	if err != nil {
		return nil, err
	}
	return cgroup.Adopt(in.Tree, f), nil
}

// adoptUnit fills in what the predecessor has left for u. A child that cannot be
// taken over counts as gone.
func (s *Supervisor) adoptUnit(ctx context.Context, u *unit, held *heldUnit) error {
	u.setAddr(held.Addr, held.Scheme)
	for _, l := range held.Listeners {
		f, err := adoptListener(l.FD, l.Addr.String())
		if err != nil {
			return fmt.Errorf("profile %s: %w", u.profile.Name, err)
		}
		u.listeners.bound = append(u.listeners.bound, socket{addr: l.Addr, file: f})
	}
	a := &instance.Adopted{Frozen: held.Instance}
	u.adopted = a
	c := a.Child
	if c == nil {
		return nil
	}
	if !c.Ready {
		s.reports.Expect(c.ID) // before anything is read
	}
	var err error
	if c.Pipe, err = adoptFile(held.Pipe, "hand-off"); err == nil {
		c.Output, err = adoptFile(held.Output, "output")
	}
	if err != nil {
		return fmt.Errorf("profile %s: %w", u.profile.Name, err)
	}
	if a.Process, err = s.trees.adopt(u, held); err != nil {
		s.o.Log.Error("a gateway is lost", "profile", u.profile.Name, "err", err)
		return errors.Join(c.Pipe.Close(), c.Output.Close())
	}
	s.adoptProbes(ctx, u, held)
	return nil
}

// adoptProbes finds the config with which the child was started, and with it how
// to ask the child. One whose config is no longer there is not asked, rather than
// killed for not answering where it does not listen.
func (s *Supervisor) adoptProbes(ctx context.Context, u *unit, held *heldUnit) {
	c := held.Instance.Child
	start := u.kept.began()
	if c.Ready && c.Degraded == "" && s.o.LastGood {
		u.kept.done(start) // by the predecessor, which ended no such work halfway
	}
	config, _, _ := strings.Cut(c.Hash, "+")
	good := u.profile
	good.ConfigPath = good.LastGoodFile()
	for _, p := range []profiles.Profile{u.profile, good} {
		checked, err := s.o.Check(ctx, p)
		if err != nil || checked.Problem != nil || reachable(checked) != held.Addr {
			continue
		}
		u.adopted.Live, u.adopted.Serving = checked.Live, checked.Serving
		if checked.Hash == config {
			u.adopted.OnReady = s.onReady(u, chosen{Checked: checked, degraded: c.Degraded}, start)
			return
		}
	}
	if u.adopted.Live == nil && c.Ready {
		s.o.Log.Warn("its config has changed since it was started, so this gateway is not probed until its next start", "profile", u.profile.Name)
	}
}

// adopt takes over the child of a unit.
func (t *trees) adopt(u *unit, held *heldUnit) (instance.Process, error) {
	c := held.Instance.Child
	p := &treeProcess{t: t, u: u, tag: handoff.EnvInstance + "=" + c.ID}
	var err error
	if p.Process, err = t.forker.Adopt(c.PID, held.StartTime); err != nil {
		return nil, err
	}
	if held.Grouped && t.groups != nil {
		p.leaf, err = t.leafOf(u.profile.Name)
		if err != nil {
			t.s.o.Log.Warn("control group", "profile", u.profile.Name, "err", err)
		}
		u.setLeaf(p.leaf)
	}
	t.mu.Lock()
	t.own[c.PID] = true
	t.mu.Unlock()
	return p, nil
}

// leafOf is the group of a child that lives in it, nil when there is none.
func (t *trees) leafOf(name string) (*cgroup.Leaf, error) {
	leaves, err := t.groups.Leaves()
	for _, l := range leaves {
		if l.Name() == name {
			return l, nil
		}
	}
	return nil, err
}

// leaving are the units of profiles that are not to be run any more: their
// gateways are ended in order.
func (s *Supervisor) leaving(ctx context.Context, in *Inherited) error {
	for _, held := range in.rest() {
		lock, err := held.lock()
		if err != nil {
			return err
		}
		u, err := s.newUnit(held.Profile, lock)
		if err != nil {
			return errors.Join(err, lock.Close())
		}
		s.gone = append(s.gone, u)
		if err := s.adoptUnit(ctx, u, held); err != nil {
			return err
		}
		u.instance = s.newInstance(u, starter{s.trees, u})
	}
	return nil
}

// end ends the gateway of a unit that leaves, and lets go of all that it had.
func (s *Supervisor) end(u *unit) {
	s.o.Log.Info("the registry has this profile no more; its gateway is ended", "profile", u.profile.Name)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	u.instance.Run(ended)
	if err := u.Close(); err != nil {
		s.o.Log.Error("end of a profile that is gone", "profile", u.profile.Name, "err", err)
	}
}
