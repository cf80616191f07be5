package statelock_test

import (
	"os"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
)

func TestTakeAndFind(t *testing.T) {
	t.Parallel()
	p := profiles.Profile{Name: "dev", StateDir: t.TempDir(), Port: 19001}
	if _, ok := statelock.Find(p); ok {
		t.Error("found before there is one")
	}
	lock, err := statelock.Take(p, statelock.Said{Scheme: "wss", TokenSource: "--token", Token: "ab12"})
	if err != nil {
		t.Fatal(err)
	}
	if h, ok := statelock.Find(p); !ok || h.PID != os.Getpid() || h.Port != 19001 || h.Scheme != "wss" || h.TokenSource != "--token" || h.Token != "ab12" {
		t.Errorf("found %+v, %v", h, ok)
	}
	_, err = statelock.Take(p, statelock.Said{Scheme: "wss", TokenSource: "--token", Token: "ab12"})
	if exitcode.Of(err) != exitcode.Busy || !strings.Contains(err.Error(), "coderclaw --profile dev gateway stop") {
		t.Errorf("taken twice: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := statelock.Find(p); ok {
		t.Error("found after it ended")
	}
	if err := os.WriteFile(p.GatewayLock(), []byte(`{"pid":1,"startTime":12345}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := statelock.Find(p); ok {
		t.Error("a recycled pid passes for the gateway")
	}
}
