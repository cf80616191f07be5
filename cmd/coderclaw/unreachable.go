package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// unreachable adds to a failed connect which gateway was meant.
func (a *app) unreachable(t target, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("gateway timeout after %dms", t.timeout.Milliseconds())
	}
	told := fmt.Errorf("%w\n%s%s%s%s", err, t.block(), t.mismatch(err), t.encryption(err), t.unpaired(err))
	if r, ok := errors.AsType[*client.RefusedError](err); ok && strings.HasPrefix(r.Err.Message, "unauthorized") {
		return exitcode.With(exitcode.Auth, told)
	}
	return told
}

// block says which gateway was meant and where that came from.
func (t target) block() string {
	return fmt.Sprintf("Gateway target: %s\nSource: %s\nConfig: %s\nBind: %s", t.shown(), t.source, t.profile.ConfigPath,
		firstOf(t.config.Config.Gateway.Bind, "loopback"))
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

// absent adds what to do to the error of a connect that nobody took.
func (t target) absent(err error) error {
	if !t.local() || !errors.Is(err, syscall.ECONNREFUSED) {
		return err
	}
	fix := "start it with: " + startHint(t.profile)
	if _, err := os.Stat(t.profile.ConfigPath); errors.Is(err, fs.ErrNotExist) {
		fix = hint(t.profile, "setup") + ", then " + fix
	}
	return fmt.Errorf("%w\nFix: %s; why it does not run says: %s", err, fix, hint(t.profile, "gateway status"))
}

// unpaired adds what lets a client in that a gateway does not know yet. An identity that
// is kept nowhere is another device each time, which no approval helps.
func (t target) unpaired(err error) string {
	refused, ok := errors.AsType[*client.RefusedError](err)
	if !ok || refused.Err.Code != protocol.CodeNotPaired {
		return ""
	}
	details, _ := refused.Err.Details.(map[string]any)
	request, _ := details["requestId"].(string)
	if request == "" {
		return ""
	}
	if _, err := os.Stat(t.profile.StateDir); errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("\nFix: first make a place for the identity of this client, which is another device each time without one: %s", hint(t.profile, "setup"))
	}
	if t.local() {
		return "\nFix: let this client in with: " + hint(t.profile, "devices approve "+shown(request))
	}
	return "\nFix: let this client in, on the machine of the gateway and for its profile, with: coderclaw devices approve " + shown(request)
}
