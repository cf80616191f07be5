// Package auth owns who may connect to the gateway: the shared secret, the
// locality of a connection, the origin of a page, and the devices that are
// paired. It opens no socket and knows no frame but the device payload.
package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// Flags are what the command line of a gateway says about its secret. Setup is
// the command that makes one, for the error when there is none.
type Flags struct{ Mode, Token, Password, Setup string }

// Settings is the shared secret that the gateway asks for. It shows no secret when printed.
type Settings struct {
	Mode            string // config.AuthToken, config.AuthPassword or config.AuthNone
	Token, Password string
	RateLimit       *config.RateLimit // nil: none
}

// String and the next two keep secrets out of logs and dumps.
func (s Settings) String() string       { return "auth mode " + s.Mode }
func (s Settings) GoString() string     { return s.String() }
func (s Settings) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Resolve decides on the secret: command line, then config, then environment.
// Without any secret it fails with exitcode.Auth, unless the config asks for
// mode none in so many words.
func Resolve(cfg config.Auth, env func(string) (string, bool), flags Flags) (Settings, error) {
	read := func(name string) string { v, _ := env(name); return v }
	s := Settings{
		Token:     first(flags.Token, cfg.Token, read(config.EnvToken)),
		Password:  first(flags.Password, cfg.Password, read(config.EnvPassword)),
		RateLimit: cfg.RateLimit,
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
	refuse := func(text string) (Settings, error) {
		return Settings{}, exitcode.With(exitcode.Auth, errors.New(text))
	}
	switch {
	case s.Mode == config.AuthToken && s.Token == "":
		return refuse(config.NoTokenConfigured + "\nSet gateway.auth.token (or " + config.EnvToken + "), or pass --token.")
	case s.Mode == config.AuthPassword && s.Password == "":
		return refuse(config.NoPasswordSet + "\nSet gateway.auth.password (or " + config.EnvPassword + "), or pass --password.")
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

// Reasons of a refusal.
const (
	ReasonTokenMissing     = "token_missing"
	ReasonTokenMismatch    = "token_mismatch"
	ReasonPasswordMissing  = "password_missing"
	ReasonPasswordMismatch = "password_mismatch"
	ReasonRateLimited      = "rate_limited"
	ReasonDeviceToken      = "device_token_mismatch"
	ReasonOther            = "unauthorized"
)

// Verify holds what a client showed against the secret, in a time that does not
// depend on either. reason is "" when ok.
func (s Settings) Verify(token, password string) (ok bool, reason string) {
	switch s.Mode {
	case config.AuthToken:
		return verdict(s.Token, token, ReasonTokenMissing, ReasonTokenMismatch)
	case config.AuthPassword:
		return verdict(s.Password, password, ReasonPasswordMissing, ReasonPasswordMismatch)
	}
	return false, ReasonOther // mode none accepts no shared secret; only a paired device gets in
}

func verdict(want, got, missing, mismatch string) (bool, string) {
	switch {
	case got == "":
		return false, missing
	case want != "" && Equal(want, got):
		return true, ""
	}
	return false, mismatch
}

// Equal compares two secrets in a time that tells nothing of either.
func Equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// Message is the text of a refusal. The hint in it depends on who asks.
func (s Settings) Message(reason string, client protocol.ClientInfo) string {
	tokenHint, passwordHint := "provide gateway auth token", "provide gateway auth password"
	switch {
	case client.IsControlUI() || client.IsWebchat():
		tokenHint, passwordHint = "open the dashboard URL and paste the token in Control UI settings", "enter the password in Control UI settings"
	case client.Mode == "cli":
		tokenHint, passwordHint = "set gateway.remote.token to match gateway.auth.token", "set gateway.remote.password to match gateway.auth.password"
	}
	switch reason {
	case ReasonTokenMissing:
		return "unauthorized: gateway token missing (" + tokenHint + ")"
	case ReasonTokenMismatch:
		return "unauthorized: gateway token mismatch (" + tokenHint + ")"
	case ReasonPasswordMissing:
		return "unauthorized: gateway password missing (" + passwordHint + ")"
	case ReasonPasswordMismatch:
		return "unauthorized: gateway password mismatch (" + passwordHint + ")"
	case ReasonRateLimited:
		return "unauthorized: too many failed authentication attempts (retry later)"
	case ReasonDeviceToken:
		return "unauthorized: device token mismatch (rotate/reissue device token)"
	}
	return "unauthorized"
}
