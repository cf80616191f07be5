// Package auth owns who may connect to the gateway: the shared secret and its
// rotation, what trusted proxies and Tailscale vouch for, the locality of a connection,
// the origin of a page, the lock-out of who guesses, and the devices that are paired.
// It opens no socket, runs no program and knows no frame.
package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// Flags are what the command line of a gateway says about its secret. Setup is
// the command that makes one, for the error when there is none.
type Flags struct{ Mode, Token, Password, Setup string }

// Settings is what the gateway lets clients in by. It shows no secret when printed.
type Settings struct {
	Mode            string // one of the config.Auth… modes
	Token, Password string
	TokenSource     string            // where Token comes from: TokenInConfig, the name of a variable or of a flag; "" without one
	RateLimit       *config.RateLimit // nil: none

	AllowTailscale bool                 // a user that Tailscale vouches for needs no secret
	TrustedProxies []string             // addresses and CIDR ranges
	Proxy          *config.TrustedProxy // for config.AuthTrustedProxy
}

// TokenInConfig is the source of a token that the config holds.
const TokenInConfig = "gateway.auth.token"

// String and the next two keep secrets out of logs and dumps.
func (s Settings) String() string       { return "auth mode " + s.Mode }
func (s Settings) GoString() string     { return s.String() }
func (s Settings) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Resolve decides on the secret: command line, then config, then environment.
// Without any secret it fails with exitcode.Auth, unless the config asks for
// mode none in so many words.
func Resolve(gw config.Gateway, env func(string) (string, bool), flags Flags) (Settings, error) {
	read := func(name string) string { v, _ := env(name); return v }
	cfg := gw.Auth
	s := Settings{
		Password:       first(flags.Password, cfg.Password, read(config.EnvPassword)),
		RateLimit:      cfg.RateLimit,
		TrustedProxies: gw.TrustedProxies, Proxy: cfg.TrustedProxy,
	}
	for _, from := range []struct{ source, token string }{{"--token", flags.Token}, {TokenInConfig, cfg.Token}, {config.EnvToken, read(config.EnvToken)}} {
		if s.Token == "" && strings.TrimSpace(from.token) != "" {
			s.Token, s.TokenSource = from.token, from.source
		}
	}
	switch {
	case flags.Mode != "":
		s.Mode = flags.Mode
	case cfg.Mode != "":
		s.Mode = cfg.Mode
	case flags.Token != "":
		s.Mode = config.AuthToken
	case flags.Password != "":
		s.Mode = config.AuthPassword
	default:
		s.Mode = config.ResolveAuthMode(cfg, s.Token != "", s.Password != "")
	}
	s.AllowTailscale = gw.TailscaleAllowed(s.Mode)
	switch {
	case s.Mode == config.AuthToken && s.Token == "" && !s.AllowTailscale:
		return Settings{}, config.ErrNoToken("")
	case s.Mode == config.AuthPassword && s.Password == "":
		return Settings{}, config.ErrNoPassword("")
	case s.Mode == "":
		return Settings{}, exitcode.With(exitcode.Auth, fmt.Errorf("%w; make one with: %s, or pass --token or --password", ErrNoCredential, flags.Setup))
	}
	return s, nil
}

// ErrNoCredential says that there is neither token nor password, and nobody chose a mode.
var ErrNoCredential = errors.New("the gateway has no credential to ask for")

// first is the first value that is more than blanks.
func first(values ...string) string {
	for _, v := range values {
		if strings.TrimSpace(v) != "" {
			return v
		}
	}
	return ""
}
