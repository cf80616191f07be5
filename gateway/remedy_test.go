package gateway

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

func TestRemedies(t *testing.T) {
	t.Parallel()
	const id = "11111111-2222-3333-4444-555555555555"
	long := strings.Repeat("n", 32)
	cli := protocol.ClientInfo{ID: "cli", Mode: "cli"}
	for _, tc := range []struct{ profile, text, about, want string }{
		{"default", "pairing required", id, "pairing required [default: coderclaw devices approve " + id + "]"},
		{"dev", "pairing required", id, "pairing required [coderclaw --profile dev devices approve " + id + "]"},
		{"", "pairing required", id, "pairing required [coderclaw devices approve " + id + "]"},
		{long, "pairing required", id, "pairing required [coderclaw --profile " + long + " devices approve]"},
		{"default", "device token mismatch", "", "device token mismatch [default: coderclaw devices list]"},
		{"dev", "slow consumer", "", "slow consumer [coderclaw --profile dev logs]"},
		{"dev", "invalid request frame", "", "invalid request frame [coderclaw --profile dev logs]"},
		{"default", auth.OriginNotAllowed, "", "origin not allowed [default: coderclaw config get gateway.controlUi.allowedOrigins]"},
		{"default", auth.Message(auth.ReasonDeviceToken, cli), "", "unauthorized: device token mismatch (rotate/reissue device token) [default: coderclaw devices list]"},
		{"default", auth.Message(auth.ReasonTokenMismatch, cli), "", "unauthorized: gateway token mismatch [default: coderclaw gateway status]"},
		{long, auth.Message(auth.ReasonTokenMismatch, cli), "", "unauthorized: gateway token mismatch [coderclaw --profile " + long + " gateway status]"},
		{"default", auth.Message(auth.ReasonRateLimited, cli), "", "unauthorized: too many failed authentication attempts (retry later) [default: coderclaw gateway restart]"},
		{"dev", signedOut, "", "signed out after a time [coderclaw --profile dev open]"},
		{"dev", "unauthorized", "", "unauthorized [coderclaw --profile dev logs]"},
		{"default", "control ui requires HTTPS or localhost (secure context)", "", "control ui requires HTTPS or localhost (secure context) [default: coderclaw open]"},
		{"dev", auth.Message(auth.ReasonTokenMissing, protocol.ClientInfo{ID: protocol.SiblingControlUI}), "", "unauthorized: gateway token missing [coderclaw --profile dev open]"},
		{"default", auth.Message(auth.ReasonPasswordMismatch, protocol.ClientInfo{ID: protocol.SiblingControlUI}), "", "unauthorized: gateway password mismatch (enter the password in Control UI settings) [default: coderclaw open]"},
		{"default", "invalid connect params: " + strings.Repeat("ü", 99), "", "invalid connect params: " + strings.Repeat("ü", 35) + " [default: coderclaw logs]"},
	} {
		if got := (remedies{tc.profile}).reason(tc.text, tc.about); got != tc.want || len(got) > protocol.MaxReason {
			t.Errorf("%s of %q, %d bytes:\n%s\nwant\n%s", tc.text, tc.profile, len(got), got, tc.want)
		}
	}
}

// TestRemediesFit: whatever was wrong, the reason is no longer than it may be, valid,
// begins with what was wrong, and ends with a whole command.
func TestRemediesFit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		profile := rapid.StringMatching(`[a-z0-9][a-z0-9_-]{0,31}`).Draw(t, "profile")
		text := rapid.String().Draw(t, "text")
		got := remedies{profile}.reason(text, rapid.StringN(0, 64, 64).Draw(t, "about"))
		i := strings.LastIndex(got, " [")
		if len(got) > protocol.MaxReason || i < 0 || !strings.HasSuffix(got, "]") || !strings.HasPrefix(text, got[:i]) || !strings.Contains(got[i:], profile) {
			t.Errorf("%q", got)
		}
		if utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("%q is cut inside a character", got)
		}
	})
}
