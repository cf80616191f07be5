package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/profiles"
)

// TestTokenRotated: a client that is connected stays so, and those who come later
// may show the old token or the new.
func TestTokenRotated(t *testing.T) {
	t.Parallel()
	r := start(t)
	stays, err := r.dial(t, client.Options{Token: secret, Identity: identity(t)})
	if err != nil {
		t.Fatal(err)
	}
	none := func(string) (string, bool) { return "", false }
	p := profiles.Profile{Name: "test", StateDir: r.dir, ConfigPath: r.config}
	if _, err := auth.RotateToken(t.Context(), p, none, time.Hour, time.Now()); err != nil {
		t.Fatal(err)
	}
	renewed := r.token(t)
	if renewed == secret {
		t.Fatal("the token is the same")
	}
	for token, ok := range map[string]bool{secret: true, renewed: true, "x": false} {
		if _, err := r.dial(t, client.Options{Token: token}); (err == nil) != ok {
			t.Errorf("with %s: %v", token, err)
		}
	}
	if err := stays.Call(t.Context(), "health", nil, nil); err != nil {
		t.Errorf("the client that was connected: %v", err)
	}
}

// checkReason holds the reason of a close against what was wrong: with 1008 comes
// what a person can do about it, and the profile; and all codes keep to the limit.
func checkReason(t *testing.T, code websocket.StatusCode, reason, wrong string) {
	t.Helper()
	if len(reason) > protocol.MaxReason {
		t.Errorf("the reason has %d bytes: %q", len(reason), reason)
	}
	if code != protocol.ClosePolicy {
		if reason != wrong {
			t.Errorf("reason %q, want %q", reason, wrong)
		}
		return
	}
	why, remedy, ok := strings.Cut(reason, " [coderclaw --profile test ")
	brief, _, _ := strings.Cut(wrong, " (")
	if !ok || !strings.HasSuffix(remedy, "]") || !strings.HasPrefix(wrong, why) || len(why) < min(len(brief), 60) {
		t.Errorf("reason %q for %q", reason, wrong)
	}
}
