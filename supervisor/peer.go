package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"

	"github.com/coderclaw/coderclaw/internal/peercred"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// peer is who is at the other end of a connection.
type peer struct {
	peercred.Cred
	// above are the pids that it descended from when it connected, its own first; later
	// it may have ended, and what cannot be traced must not pass for a person.
	above []int
}

type peerKey struct{}

// withPeer notes who is at the other end, nobody if that cannot be told.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	unix, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	cred, err := peercred.Of(unix)
	if err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, peer{cred, proctable.Ancestors(cred.PID)})
}

func peerOf(r *http.Request) (peer, bool) {
	p, ok := r.Context().Value(peerKey{}).(peer)
	return p, ok
}

// below tells whether the peer is, or runs below, the process.
func (p peer) below(pid int) bool { return pid != 0 && slices.Contains(p.above, pid) }

// traced is nil for a peer of which it can be told whose it is: what gateways have
// left behind comes to this process, and belongs to nobody in particular.
func (p peer) traced() error {
	if len(p.above) == 0 {
		return errors.New("whoever asked had ended before it could be seen who it was; ask and wait for the answer")
	}
	if self := os.Getpid(); p.PID != self && p.below(self) {
		return fmt.Errorf("pid %d was started by a gateway that it has outlived, and may change nothing", p.PID)
	}
	return nil
}

// mayControl tells whether the peer is this user, or root.
func mayControl(r *http.Request) bool {
	p, ok := peerOf(r)
	return ok && (int(p.UID) == os.Getuid() || p.UID == 0)
}

// mayChange tells whether the peer may change the profile: a process that runs
// below an instance only that instance's, and "" stands for all of them.
func (s *Supervisor) mayChange(r *http.Request, profile string) error {
	p, _ := peerOf(r)
	for _, u := range slices.Concat(s.set.list(), s.gone) {
		if !p.below(u.instance.Snapshot().PID) {
			continue
		}
		if u.profile.Name == profile {
			return nil
		}
		return fmt.Errorf("pid %d runs below the gateway of profile %s and may change only that", p.PID, u.profile.Name)
	}
	return p.traced()
}
