package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/statelock"
)

// sourced is a value and where it was found.
type sourced struct{ from, value string }

// pickToken returns the first that there is.
func pickToken(all ...sourced) (from, token string) {
	for _, s := range all {
		if s.value != "" {
			return s.from, s.value
		}
	}
	return "", ""
}

// mismatch names both tokens, as lines to follow an error, when the gateway of this
// machine turned ours down: by fingerprint, for nobody is to learn a token from an error.
func (t target) mismatch(err error) string {
	refused, ok := errors.AsType[*client.RefusedError](err)
	if !ok || !t.local() || t.token == "" || !strings.Contains(refused.Err.Message, "token mismatch") {
		return ""
	}
	text := fmt.Sprintf("\nToken sent: %s, from %s", auth.Fingerprint(t.token), t.tokenFrom)
	h, running := statelock.Find(t.profile)
	if !running || h.TokenSource == "" {
		return text
	}
	wanted := h.Token
	if h.TokenSource == auth.TokenInConfig {
		wanted = auth.InForce(t.profile.StateDir, h.Token, t.config.Config.Gateway.Auth.Token)
	}
	text += fmt.Sprintf("\nToken asked for: %s, from %s, by the gateway with pid %d", wanted, h.TokenSource, h.PID)
	if now := t.config.Config.Gateway.Auth.Token; h.TokenSource == auth.TokenInConfig && now != "" && auth.Fingerprint(now) != wanted {
		text += fmt.Sprintf("\nThe config has changed since that gateway started; let it read it: %s", hint(t.profile, "gateway restart"))
	}
	return text
}
