package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// shared is a text that one goroutine writes while another reads it.
type shared struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestApprovalIsToldWhenItCanBeGiven: a person learns how to allow a command once the gateway
// knows of the question, and not before.
func TestApprovalIsToldWhenItCanBeGiven(t *testing.T) {
	t.Parallel()
	var stderr shared
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		_ = wsjson.Write(r.Context(), conn, map[string]any{"type": "event", "event": "connect.challenge", "payload": map[string]any{"nonce": "n", "ts": 1}})
		for {
			var req protocol.Request
			if wsjson.Read(r.Context(), conn, &req) != nil {
				return
			}
			answer := map[string]any{"type": "hello-ok", "protocol": 3}
			switch req.Method {
			case "exec.approval.request":
				var p protocol.ExecApprovalRequestParams
				if err := json.Unmarshal(req.Params, &p); err != nil || p.ID != "run-1" || !p.TwoPhase {
					t.Errorf("asked %s, %v", req.Params, err)
				}
				if said := stderr.String(); said != "" {
					t.Errorf("before the gateway was asked: %s", said)
				}
				answer = map[string]any{"status": "accepted", "id": p.ID}
			case "exec.approval.waitDecision":
				if said := stderr.String(); !strings.Contains(said, "approvals resolve run-1 allow-once") {
					t.Errorf("said %q", said)
				}
				answer = map[string]any{"id": "run-1", "decision": protocol.AllowAlways}
			}
			_ = wsjson.Write(r.Context(), conn, map[string]any{"type": "res", "id": req.ID, "ok": true, "payload": answer})
		}
	}))
	defer gateway.Close()
	conn, err := client.Dial(t.Context(), client.Options{URL: strings.Replace(gateway.URL, "http", "ws", 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	a := &app{stderr: &stderr}
	got, err := a.approval(t.Context(), target{timeout: time.Minute}, conn, runRequest{Command: []string{"id"}, RunID: "run-1"}, time.Minute)
	if err != nil || got != protocol.AllowAlways {
		t.Errorf("got %q, %v", got, err)
	}
}
