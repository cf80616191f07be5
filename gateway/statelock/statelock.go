// Package statelock owns the lock by which one gateway has a state dir to
// itself, and what that gateway says of itself in it.
package statelock

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/lockfile"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
)

// Holder is the gateway that has a state dir.
type Holder struct {
	PID       int    `json:"pid"`
	StartTime uint64 `json:"startTime"` // tells a recycled pid from the gateway's
	Port      int    `json:"port"`

	Said

	Since time.Time `json:"since"`
}

// Said is what a gateway says of how it is talked to.
type Said struct {
	Scheme      string `json:"scheme"`                // of its address, ws or wss
	TokenSource string `json:"tokenSource,omitempty"` // where it has its token from, see auth.Settings; "" without one
	Token       string `json:"token,omitempty"`       // fingerprint of the token that it started with
}

// Take takes the lock of p's state dir, which must exist, for a gateway on
// p.Port in this process. When another gateway holds it, the error says which
// and carries exitcode.Busy.
func Take(p profiles.Profile, said Said) (*lockfile.Lock, error) {
	lock, err := lockfile.TryLock(p.GatewayLock())
	if held, ok := errors.AsType[*lockfile.HeldError](err); ok {
		var h Holder
		_ = json.Unmarshal(held.Content, &h) // an empty or foreign text leaves the pid unknown
		return nil, exitcode.With(exitcode.Busy, fmt.Errorf("gateway already running (pid %d) on state dir %s; stop it with: coderclaw %sgateway stop, or where a person started it: kill %d",
			h.PID, p.StateDir, p.Flag(), h.PID))
	}
	if err != nil {
		return nil, err
	}
	if err := introduce(lock, p.Port, said); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

func introduce(lock *lockfile.Lock, port int, said Said) error {
	start, err := proctable.StartTime(os.Getpid())
	if err != nil {
		return err
	}
	content, err := json.Marshal(Holder{PID: os.Getpid(), StartTime: start, Port: port, Said: said, Since: time.Now().Round(time.Millisecond)})
	if err != nil {
		return err
	}
	return lock.SetContent(content)
}

// Find returns the gateway that runs on p's state dir now, if one does.
func Find(p profiles.Profile) (Holder, bool) {
	var h Holder
	content, err := lockfile.ReadContent(p.GatewayLock())
	if err != nil || json.Unmarshal(content, &h) != nil {
		return Holder{}, false
	}
	return h, proctable.Alive(h.PID, h.StartTime)
}
