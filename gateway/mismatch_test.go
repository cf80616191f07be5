package gateway_test

import (
	"encoding/json"
	"testing"

	"github.com/coder/websocket"
)

// TestOtherProtocol plays the recorded first request of openclaw 2026.9.6, which
// speaks only protocol 4.
func TestOtherProtocol(t *testing.T) {
	t.Parallel()
	w := start(t).open(t, nil)
	w.send(websocket.MessageText, `{"type":"req","id":"1:f00faac8-6bc5-4d25-8fc3-886a1dc3ef48","method":"connect","params":{"minProtocol":4,"maxProtocol":4,`+
		`"client":{"id":"cli","version":"2026.9.6","platform":"linux","deviceFamily":"Linux","mode":"cli","instanceId":"a568e2fb-7b32-494b-8f4a-791d4fa0d97d"},`+
		`"caps":[],"auth":{"token":"x"},"role":"operator","scopes":["operator.read"]}}`)
	code, reason, answer := w.closed()
	if code != 1002 || reason != "protocol mismatch" || answer == nil || answer.Message != reason {
		t.Fatalf("closed with %d %q, answer %+v", code, reason, answer)
	}
	got, err := json.Marshal(answer.Details)
	if want := `{"clientMaxProtocol":4,"clientMinProtocol":4,"code":"PROTOCOL_MISMATCH","expectedProtocol":3}`; err != nil || string(got) != want {
		t.Errorf("details %s %v, want %s", got, err, want)
	}
}
