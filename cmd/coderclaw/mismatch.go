package main

import (
	"crypto/tls"
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

// encryption adds what to do when the two sides do not agree on TLS, or on whom to trust.
func (t target) encryption(err error) string {
	_, unverified := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case unverified && t.source == "cli --url":
		return "\nFix: pass --tls-fingerprint with what `coderclaw gateway status` prints on the machine of the gateway"
	case unverified:
		return "\nFix: set gateway.remote.tlsFingerprint to what `coderclaw gateway status` prints on the machine of the gateway"
	case strings.HasPrefix(t.url, "wss:") && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "\nFix: what answers there is not encrypted; if it is the gateway that is meant, write ws:// in place of wss://"
	case strings.HasPrefix(t.url, "ws:") && strings.Contains(err.Error(), "status code 101 but got 400"):
		return "\nFix: what answers there may be encrypted; if it is the gateway that is meant, write wss:// in place of ws://"
	}
	return ""
}
