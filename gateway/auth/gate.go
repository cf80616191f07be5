package auth

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/coderclaw/coderclaw/gateway/config"
)

// Gate decides whether what a client shows lets it in. It is safe for concurrent use.
type Gate struct {
	s       Settings
	secrets *secrets
	limiter *limiter
	tail    *tailscale // nil: nobody is let in by Tailscale
	log     *slog.Logger
}

// NewGate returns the gate of the settings. whois may be nil where the settings do
// not allow Tailscale, and follow the zero value where nobody rotates.
func NewGate(s Settings, follow Rotations, whois Whois, now func() time.Time, log *slog.Logger) *Gate {
	g := &Gate{s: s, secrets: newSecrets(s, follow, now), limiter: newLimiter(s.RateLimit, now), log: log}
	if s.AllowTailscale && whois != nil {
		g.tail = newTailscale(whois, now)
	}
	return g
}

// Mark is a text that changes whenever the shared secret does, whatever time of grace the
// old one has. It is as secret as that.
func (g *Gate) Mark() string { return g.secrets.mark() }

// Claim is what a client shows.
type Claim struct {
	Request         *http.Request
	Peer            Peer
	Token, Password string
	Device          bool // it comes with a device, whose token Token may be
}

// Verdict is what a claim is worth.
type Verdict struct {
	OK     bool
	Shared bool   // it showed the shared secret, and that was right
	Reason string // "" when OK
}

// Judge holds a claim against the settings. It may take as long as asking Tailscale
// takes, and counts a wrong secret as a failure of the address.
func (g *Gate) Judge(ctx context.Context, c Claim) Verdict {
	if g.s.Mode == config.AuthTrustedProxy {
		reason := g.s.byProxy(c.Request)
		return Verdict{OK: reason == "", Reason: reason}
	}
	right, reason := g.secrets.verify(c.Token, c.Password)
	guess := c.Token != "" && c.Device // the token may be the device's own
	// What comes with a device counts as a guess at its token, so it is that lock
	// which keeps a device of anybody's making from guessing at the shared secret.
	locked := g.limiter.locked(kindShared, c.Peer.Hop) || guess && g.limiter.locked(kindDevice, c.Peer.Hop)
	switch {
	case locked && (!guess || right):
		return Verdict{Reason: ReasonRateLimited}
	case right:
		g.limiter.succeeded(kindShared, c.Peer.Hop)
		return Verdict{OK: true, Shared: true}
	case g.byTailscale(ctx, c):
		return Verdict{OK: true}
	case !guess && (c.Token != "" || c.Password != ""):
		g.limiter.failed(kindShared, c.Peer.Hop)
	}
	return Verdict{Reason: reason}
}

// byTailscale tells whether Tailscale vouches for the user whom a request names.
func (g *Gate) byTailscale(ctx context.Context, c Claim) bool {
	if g.tail == nil || c.Peer.Local {
		return false
	}
	reason, err := g.tail.judge(ctx, c.Request)
	if err != nil {
		g.log.Warn("a user whom Tailscale should vouch for", "why", reason, "err", err)
	} else if reason != "" && reason != ReasonTailscaleUserMissing {
		g.log.Info("a user whom Tailscale should vouch for", "why", reason)
	}
	return reason == ""
}

// GuessDevice judges a token as that of a device, which try looks up, and counts
// failures. A success takes none back; they end with the limit's window.
func (g *Gate) GuessDevice(p Peer, try func() (bool, error)) (Verdict, error) {
	if g.limiter.locked(kindDevice, p.Hop) {
		return Verdict{Reason: ReasonRateLimited}, nil
	}
	ok, err := try()
	switch {
	case err != nil:
		return Verdict{}, err
	case ok: // failures stay: a device that may do little is not to guess at the secret between two successes
		return Verdict{OK: true}, nil
	}
	g.limiter.failed(kindDevice, p.Hop)
	return Verdict{Reason: ReasonDeviceToken}, nil
}
