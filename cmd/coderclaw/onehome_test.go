package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// oneHome is a home of its own, in which the commands of a test work.
type oneHome struct {
	*testing.T
	home string
	port int // of the default profile
	env  []string
}

// newHome makes one whose default profile has free ports and is set up.
func newHome(t *testing.T) oneHome {
	t.Helper()
	home := t.TempDir()
	port, err := freeBlock(t.Cleanup)
	if err != nil {
		t.Fatal(err)
	}
	registry := filepath.Join(home, "profiles.toml")
	if err := os.WriteFile(registry, fmt.Appendf(nil, "[profiles.default]\nport = %d\n", port), 0o600); err != nil {
		t.Fatal(err)
	}
	h := oneHome{T: t, home: home, port: port, env: []string{"HOME=" + home, "CODERCLAW_REGISTRY=" + registry,
		"PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + filepath.Join(home, "run"), "GORACE=" + noRaceWait}}
	h.must("setup")
	return h
}

func (h *oneHome) must(args ...string) string {
	h.Helper()
	cmd := exec.Command("coderclaw", args...)
	cmd.Env = h.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.Fatalf("coderclaw %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// token is that of the gateway of the default profile.
func (h *oneHome) token() string {
	h.Helper()
	return tokenIn(h.T, filepath.Join(h.home, ".coderclaw"))
}

// tokenIn is the token of the gateway that has that state dir.
func tokenIn(t *testing.T, dir string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "coderclaw.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cfg struct {
		Gateway struct{ Auth struct{ Token string } }
	}
	if err := json.Unmarshal(text, &cfg); err != nil {
		t.Fatal(err)
	}
	return cfg.Gateway.Auth.Token
}
