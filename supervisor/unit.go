package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/cgroup"
	"github.com/coderclaw/coderclaw/internal/ledger"
	"github.com/coderclaw/coderclaw/internal/lockfile"
	"github.com/coderclaw/coderclaw/internal/logfile"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
	"github.com/coderclaw/coderclaw/supervisor/crashes"
)

// unit is one profile with all that its children need and that outlives them.
type unit struct {
	profile    profiles.Profile
	instance   *instance.Instance // set before anything runs
	listeners  listeners
	log        *logfile.Writer
	supervisor int // our own pid

	lock    *lockfile.Lock
	adopted *instance.Adopted // what a predecessor has left, nil if nothing
	ledger  *ledger.Ledger
	crashes *crashes.Store
	tally   *tally
	kept    kept

	stop context.CancelFunc // ends the child and the instance; set by run
	done chan struct{}      // closed when they have ended

	mu     sync.Mutex     // guards what follows
	addr   netip.AddrPort // that clients are told, of the last check
	scheme string         // of that address, "" for ws
	url    string         // the same as a URL, once it was asked for
	leaf   *cgroup.Leaf   // of the child that lives, nil without

	deaths map[string]int // unasked, by exit class; replaced and never changed
}

// lockedUnits makes the units of all the profiles, or none. It is the first third of a start, so
// each processor takes a share of the profiles.
func (s *Supervisor) lockedUnits(ps []profiles.Profile, inherited *Inherited) ([]*unit, error) {
	units, errs := make([]*unit, len(ps)), make([]error, len(ps))
	locks := make([]*lockfile.Lock, len(ps)) // what was inherited is for one goroutine
	for i, p := range ps {
		locks[i], errs[i] = inherited.lock(p)
	}
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(ps)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(ps); i = int(next.Add(1)) - 1 {
				if errs[i] == nil {
					units[i], errs[i] = s.lockedUnit(ps[i], locks[i])
				}
			}
		})
	}
	workers.Wait()
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return nil, errors.Join(errs[i], closeAll(slices.DeleteFunc(units, func(u *unit) bool { return u == nil })))
	}
	return units, nil
}

// lockedUnit makes a unit with the lock, nil for one that is to be taken. On failure the lock is given back.
func (s *Supervisor) lockedUnit(p profiles.Profile, lock *lockfile.Lock) (_ *unit, err error) {
	if lock == nil {
		if lock, err = takeLock(p); err != nil {
			return nil, err
		}
	}
	u, err := s.newUnit(p, lock)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return u, nil
}

// equip goes on with what a predecessor in this process holds of the profile, else
// ends what an earlier supervisor has left of it, and joins the unit to the machinery that keeps its child. What a person wished earlier counts unless
// the profile is started anew.
func (s *Supervisor) equip(ctx context.Context, u *unit, held *heldUnit, anew bool) (err error) {
	u.listeners.pool = s.o.Activated
	if held != nil {
		err = s.adoptUnit(ctx, u, held)
	} else {
		err = s.trees.endSurvivors(ctx, u)
	}
	if err != nil {
		return err
	}
	if anew && held == nil {
		if err := control.Wish(u.profile, control.WantRunning); err != nil {
			return fmt.Errorf("profile %s: %w", u.profile.Name, err)
		}
	}
	u.instance = s.newInstance(u, starter{s.trees, u})
	return nil
}

func (s *Supervisor) newUnit(p profiles.Profile, lock *lockfile.Lock) (*unit, error) {
	counts := newTally()
	o := logfile.Options{Dir: p.LogDir(), Budget: p.Limits.Logs(), Buffers: &s.buffers, Observe: func(batch []byte) {
		counts.logBytes.Add(int64(len(batch)))
		if s.o.Lines != nil {
			s.o.Lines(p.Name, batch)
		}
	}}
	log, err := logfile.Open(o)
	if err != nil {
		return nil, fmt.Errorf("profile %s: %w", p.Name, err)
	}
	book, err := ledger.Open(p.Ledger())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("profile %s: %w", p.Name, err), log.Close())
	}
	if err := book.Damage(); err != nil {
		s.o.Log.Warn("ledger", "profile", p.Name, "err", err)
	}
	return &unit{profile: p, lock: lock, log: log, ledger: book, crashes: crashes.Open(p.CrashDir()), tally: counts, supervisor: os.Getpid(), addr: netip.AddrPortFrom(localhost(), uint16(p.Port))}, nil
}

func (u *unit) setAddr(addr netip.AddrPort, scheme string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.addr != addr || u.scheme != scheme {
		u.addr, u.scheme, u.url = addr, scheme, ""
	}
}

func (u *unit) setLeaf(l *cgroup.Leaf) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.leaf = l
}

// Close gives everything back. The child has ended by then.
func (u *unit) Close() error {
	err := errors.Join(u.listeners.drop(), u.log.Close(), u.ledger.Clear())
	if u.lock != nil {
		err = errors.Join(err, u.lock.Close())
	}
	return err
}

func localhost() netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, 1}) }

// newInstance makes the machinery that keeps the child of u.
func (s *Supervisor) newInstance(u *unit, starter instance.Starter) *instance.Instance {
	return instance.New(instance.Options{
		Name:    u.profile.Name,
		Prepare: func(ctx context.Context) (instance.Launch, error) { return s.prepare(ctx, u) },
		Precheck: func(ctx context.Context) error {
			c, err := s.check(ctx, u.profile)
			if err == nil {
				err = u.listeners.tryNew(ctx, c.Addrs)
			}
			if err != nil {
				return fmt.Errorf("profile %s is not restarted and stays as it is: %w", u.profile.Name, err)
			}
			return nil
		},
		Wish: func(running bool) error {
			if running {
				return control.Wish(u.profile, control.WantRunning)
			}
			return control.Wish(u.profile, control.WantStopped)
		},
		Output: func(begun []byte) instance.Intake { return u.log.Intake(begun) },
		Waits:  s.trees.forker.Waits(),
		Adopt:  u.adopted,
		OnChange: func(snap instance.Snapshot) {
			u.tally.changed(snap)
			switch snap.State {
			case instance.Stopped, instance.Blocked, instance.Quarantined:
				// A gateway that will not come back by itself, or nobody knows when, is not to look like a slow
				// one: without the socket clients are refused at once. Prepare is called from the same
				// goroutine, so it meets no half of this.
				if err := u.listeners.drop(); err != nil {
					s.o.Log.Warn("close the listeners", "profile", u.profile.Name, "err", err)
				}
			}
			s.events.add(u.profile.Name, snap)
			s.board.changed()
		},
		OnDeath:      func(d instance.Death) { s.keepCrash(u, d) },
		StartTimeout: u.profile.Limits.StartTimeout,
		Probes:       instance.Probes{Every: u.profile.Limits.ProbeEvery, Timeout: u.profile.Limits.ProbeTimeout, Misses: u.profile.Limits.ProbeMisses},
		Fingerprint:  func(ctx context.Context) string { return s.fingerprint(ctx, u.profile) },
		Grace:        u.profile.Grace(),
		Reports:      s.reports,
		WantStopped:  control.Wanted(u.profile) == control.WantStopped,
		Starter:      starter,
		Log:          s.o.Log,
	})
}

// status is the unit's line in `ps`.
func (u *unit) status() control.Instance {
	u.mu.Lock()
	if u.url == "" {
		u.url = cmp.Or(u.scheme, "ws") + "://" + u.addr.String()
	}
	addr, url, leaf, deaths := u.addr, u.url, u.leaf, u.deaths
	u.mu.Unlock()
	i := control.Instance{Profile: u.profile.Name, Port: int(addr.Port()), URL: url, Supervisor: u.supervisor}
	snap := u.instance.Snapshot()
	i.State, i.Reason, i.PID, i.ID, i.Since = snap.State, snap.Reason, snap.PID, snap.ID, snap.Since
	i.Restarts, i.LastExit, i.Tries, i.Degraded = snap.Restarts, snap.LastExit, snap.Tries, snap.Degraded
	i.Deaths, i.Isolation = deaths, u.profile.Isolation
	i.Kept = snap.State == instance.Ready && snap.Degraded == "" && u.kept.holds()
	if leaf != nil {
		i.Group = leaf.Dir()
	}
	if next := snap.NextTry; !next.IsZero() {
		i.NextTry = &next
	}
	return i
}

// act carries out what was asked for over the control socket.
func (u *unit) act(ctx context.Context, verb string) error {
	switch verb {
	case "stop":
		return u.instance.Stop(ctx)
	case "restart":
		return u.instance.Restart(ctx)
	}
	return u.instance.Start(ctx)
}

// limits are those of the control group of a child.
func (u *unit) limits() cgroup.Limits {
	l := u.profile.Limits
	return cgroup.Limits{MemoryMax: uint64(l.MemoryHard), PidsMax: uint64(l.PidsMax)}
}
