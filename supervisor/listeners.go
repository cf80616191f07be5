package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// listeners are the listening sockets of one profile. They outlive its children:
// whoever connects while none accepts waits in the socket's queue. Nothing is
// ever accepted here. It is safe for concurrent use.
type listeners struct {
	mu     sync.Mutex
	bound  []socket
	failed map[netip.AddrPort]string // additional addresses that were complained of, so that it is said once
	holder holder                    // of the address that could not be bound last
	pool   *Activated                // what need not be bound; set before anything else
	closed time.Time                 // when one was closed last
}

type socket struct {
	addr   netip.AddrPort
	file   *os.File
	pooled bool // it is of the pool, and stays open
}

// bind makes the sockets those of addrs and returns them. The first address
// must succeed; another that does not is left out, and tried again next time.
// Sockets for addresses that stay are kept, and new ones are bound before old
// ones are let go, save where an old one stands in the way of a new one.
func (l *listeners) bind(ctx context.Context, addrs []netip.AddrPort, log *slog.Logger) ([]*os.File, error) {
	if !inheritsListeners {
		return nil, nil // the child binds
	}
	if len(addrs) == 0 {
		return nil, errors.New("there is no address to listen on")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var next []socket
	for i, addr := range addrs {
		if j := slices.IndexFunc(l.bound, func(s socket) bool { return s.addr == addr }); j >= 0 {
			next = append(next, l.bound[j])
			continue
		}
		if s, ok := l.pool.get(addr); ok {
			next = append(next, s)
			continue
		}
		f, err := l.listenLocked(ctx, addr, addrs)
		if err == nil {
			next = append(next, socket{addr: addr, file: f})
			delete(l.failed, addr)
			continue
		}
		if i == 0 {
			return nil, l.blockedLocked(addr, err)
		}
		if why := l.blockedLocked(addr, err).Error(); l.failed[addr] != why {
			if l.failed == nil {
				l.failed = map[netip.AddrPort]string{}
			}
			l.failed[addr] = why
			log.Warn("an additional address cannot be used", "addr", addr, "reason", why)
		}
	}
	old := slices.DeleteFunc(l.bound, func(s socket) bool { return slices.Contains(next, s) })
	l.bound = next
	l.pool.settle(l, log)
	files := make([]*os.File, len(next))
	for i, s := range next {
		files[i] = s.file
	}
	return files, l.closeLocked(old)
}

// tryNew tells whether the first of addrs could be bound for a successor, while
// the sockets of its predecessor stay as they are. An address that those stand in
// the way of is taken for free: they will be let go.
func (l *listeners) tryNew(ctx context.Context, addrs []netip.AddrPort) error {
	if !inheritsListeners || len(addrs) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.ContainsFunc(l.bound, func(s socket) bool { return overlap(s.addr, addrs[0]) }) {
		return nil
	}
	if _, ok := l.pool.get(addrs[0]); ok {
		return nil
	}
	f, err := l.listenLocked(ctx, addrs[0], addrs)
	if err != nil {
		return l.blockedLocked(addrs[0], err)
	}
	l.closed = time.Now()
	return f.Close()
}

// listenLocked binds addr. Where one of our own sockets is in the way that is
// not wanted any more (127.0.0.1:P before 0.0.0.0:P), that one gives way first.
func (l *listeners) listenLocked(ctx context.Context, addr netip.AddrPort, wanted []netip.AddrPort) (*os.File, error) {
	f, err := listen(ctx, addr)
	if !errors.Is(err, errInUse) {
		return f, err
	}
	inTheWay := func(s socket) bool { return !s.pooled && overlap(s.addr, addr) && !slices.Contains(wanted, s.addr) }
	var old []socket
	for _, s := range l.bound {
		if inTheWay(s) {
			old = append(old, s)
		}
	}
	l.bound = slices.DeleteFunc(l.bound, inTheWay)
	if err := l.closeLocked(old); err != nil {
		return nil, err
	}
	if time.Since(l.closed) > lately {
		return nil, err
	}
	tick := time.NewTicker(lingers / lingerTries)
	defer tick.Stop()
	for range lingerTries {
		if f, err = listen(ctx, addr); !errors.Is(err, errInUse) {
			break
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return f, err
}

// A socket of ours that was closed lately listens for a moment longer where somebody
// looks at it in /proc just then, or a process that is being forked has it until it runs
// its own program. So the address is tried lingerTries times before it is taken for
// another's.
const (
	lately      = 10 * time.Second
	lingers     = 500 * time.Millisecond
	lingerTries = 50
)

// listen binds one address and returns the socket without what would accept on it.
func listen(ctx context.Context, addr netip.AddrPort) (*os.File, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // the process table cannot tell who holds such a socket
	nl, err := lc.Listen(ctx, family(addr), addr.String())
	if err != nil {
		return nil, err
	}
	f, err := detach(nl.(*net.TCPListener))
	if cerr := nl.Close(); err == nil && cerr != nil {
		return nil, errors.Join(cerr, f.Close())
	}
	return f, err
}

// family keeps 0.0.0.0 from meaning every IPv6 address as well.
func family(addr netip.AddrPort) string {
	if addr.Addr().Unmap().Is4() {
		return "tcp4"
	}
	return "tcp6"
}

// blockedLocked says why the address cannot be bound, and who holds it.
func (l *listeners) blockedLocked(addr netip.AddrPort, err error) error {
	reason := fmt.Sprintf("port %d cannot be bound on %s: %v", addr.Port(), addr.Addr(), err)
	switch {
	case errors.Is(err, errInUse):
		if other, ok := l.pool.inTheWay(addr); ok {
			reason = fmt.Sprintf("port %d held by the socket unit of this service, which listens on %s and not on %s; bring it up to date with: coderclaw doctor --repair", addr.Port(), other, addr)
			break
		}
		if !l.holder.holds(addr) {
			l.holder = findHolder(addr)
		}
		reason = fmt.Sprintf("port %d held by %s", addr.Port(), l.holder.words)
	case errors.Is(err, fs.ErrPermission) && addr.Port() < 1024:
		reason = fmt.Sprintf("port %d needs root; choose a gateway.port above 1023", addr.Port())
	case errors.Is(err, errNoSuchAddr):
		reason = fmt.Sprintf("this machine has no address %s", addr.Addr())
	}
	return &instance.BlockedError{Reason: reason, Class: instance.ClassPort}
}

// holder is whoever listens where an address cannot be bound. To find it takes a
// look at every descriptor of every process, too much for each try.
type holder struct {
	addr  netip.AddrPort
	pid   int // 0 when it cannot be seen
	start uint64
	words string
	seen  time.Time
}

// holderAge is how long a holder that lives is taken to hold still.
const holderAge = 30 * time.Second

func (h holder) holds(addr netip.AddrPort) bool {
	return h.addr == addr && time.Since(h.seen) < holderAge && (h.pid == 0 || proctable.Alive(h.pid, h.start))
}

func findHolder(addr netip.AddrPort) holder {
	h := holder{addr: addr, words: "a process that cannot be seen", seen: time.Now()}
	list, err := proctable.Listeners(int(addr.Port()))
	if err != nil {
		return h
	}
	for _, l := range list {
		if !overlap(l.Addr, addr) {
			continue
		}
		h.pid, h.words = l.PID, proctable.Describe(l)
		if h.start, err = proctable.StartTime(l.PID); err != nil {
			h.pid = 0
		}
		break
	}
	return h
}

// overlap tells whether two listening addresses exclude each other: the
// unspecified address, of either family, excludes every other.
func overlap(a, b netip.AddrPort) bool {
	if a.Port() != b.Port() {
		return false
	}
	x, y := a.Addr().Unmap(), b.Addr().Unmap()
	return x == y || x.IsUnspecified() || y.IsUnspecified()
}

// take makes the sockets of other ours; it has none afterwards.
func (l *listeners) take(other *listeners) {
	other.mu.Lock()
	bound := other.bound
	other.bound = nil
	other.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bound = append(l.bound, bound...)
}

// held are the sockets that there are.
func (l *listeners) held() []socket {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.bound)
}

// drop closes the sockets: from now on clients are refused at once.
func (l *listeners) drop() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.bound
	l.bound, l.failed = nil, nil
	return l.closeLocked(old)
}

func (l *listeners) closeLocked(list []socket) error {
	if len(list) > 0 {
		l.closed = time.Now()
	}
	return closeSockets(list)
}

func closeSockets(list []socket) error {
	var errs []error
	for _, s := range list {
		if !s.pooled {
			errs = append(errs, s.file.Close())
		}
	}
	return errors.Join(errs...)
}
