package supervisor

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"sync"
)

// Variables by which a service manager hands over sockets, see sd_listen_fds(3).
const (
	EnvListenPID   = "LISTEN_PID"
	EnvListenFDs   = "LISTEN_FDS"
	EnvListenNames = "LISTEN_FDNAMES"
)

const (
	firstActivated = 3
	maxActivated   = 1024
)

// Activated are the listening sockets that the service manager has bound. They
// stay open as long as the process: the manager has them open too, so that nobody
// is refused when they are closed here, and none could be bound in their place.
// It is safe for concurrent use; nil holds none.
type Activated struct {
	profiles int // of the supervisor, at its start; set before it runs

	mu      sync.Mutex
	sockets []activatedSocket
	asked   map[*listeners]bool
	settled bool     // what nobody uses has been closed
	refused []string // why some that were handed over are not held, until it is said
}

type activatedSocket struct {
	socket
	used bool
}

// Activate takes the sockets that the manager handed to this process, or those
// that the predecessor left. env reads the environment, from which the caller
// removes the three variables, whatever they say. What is no listening TCP socket
// is closed; bind says so in the log.
func Activate(in *Inherited, env func(string) (string, bool)) (*Activated, error) {
	if in != nil {
		return in.adoptActivated()
	}
	if pid, ok := env(EnvListenPID); !ok || pid != strconv.Itoa(os.Getpid()) {
		return nil, nil // none, or meant for another process
	}
	text, _ := env(EnvListenFDs)
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxActivated {
		return nil, fmt.Errorf("%s=%q: want the number of sockets; unset it to start without", EnvListenFDs, text)
	}
	a := &Activated{}
	for fd := firstActivated; fd < firstActivated+n; fd++ {
		s, err := openActivated(fd)
		if err != nil {
			a.refused = append(a.refused, err.Error())
			continue
		}
		a.sockets = append(a.sockets, activatedSocket{socket: s})
	}
	return a, nil
}

func (in *Inherited) adoptActivated() (*Activated, error) {
	if len(in.Activated) == 0 {
		return nil, nil
	}
	a := &Activated{settled: true}
	for _, l := range in.Activated {
		s, err := openActivated(l.FD)
		if err != nil {
			return nil, err
		}
		a.sockets = append(a.sockets, activatedSocket{s, true})
	}
	return a, nil
}

// get is the socket on addr, if there is one.
func (a *Activated) get(addr netip.AddrPort) (socket, bool) {
	if a == nil {
		return socket{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i := range a.sockets {
		if s := &a.sockets[i]; s.addr == addr {
			s.used = true
			return s.socket, true
		}
	}
	return socket{}, false
}

// inTheWay is a socket that keeps addr from being bound.
func (a *Activated) inTheWay(addr netip.AddrPort) (netip.AddrPort, bool) {
	if a == nil {
		return netip.AddrPort{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.sockets {
		if overlap(s.addr, addr) {
			return s.addr, true
		}
	}
	return netip.AddrPort{}, false
}

// list are the sockets that there are.
func (a *Activated) list() []socket {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]socket, len(a.sockets))
	for i, s := range a.sockets {
		out[i] = s.socket
	}
	return out
}

// settle is told that l has all that it wanted. Once each profile has, what is
// left over is closed.
func (a *Activated) settle(l *listeners, log *slog.Logger) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, why := range a.refused {
		log.Warn("a descriptor from the service manager is closed", "reason", why)
	}
	a.refused = nil
	if a.settled {
		return
	}
	if a.asked == nil {
		a.asked = map[*listeners]bool{}
	}
	a.asked[l] = true
	if len(a.asked) < a.profiles {
		return
	}
	a.settled, a.asked = true, nil
	kept := a.sockets[:0:0]
	for _, s := range a.sockets {
		if s.used {
			kept = append(kept, s)
			continue
		}
		log.Warn("a socket from the service manager is closed, because no profile listens there; bring the socket unit up to date with: coderclaw doctor --repair", "addr", s.addr)
		if err := s.file.Close(); err != nil {
			log.Warn("close a socket", "addr", s.addr, "err", err)
		}
	}
	a.sockets = kept
}
