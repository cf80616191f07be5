package deptest_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/internal/deptest"
)

// TestDirections asks the go command for every import between packages of the module.
func TestDirections(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f",
		`{{$p := .ImportPath}}{{range .Imports}}{{$p}} {{.}}{{"\n"}}{{end}}`, deptest.Module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	edges := 0
	for line := range strings.Lines(string(out)) {
		from, to, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(to, deptest.Module+"/") {
			continue
		}
		edges++
		if why := deptest.Forbidden(from, to); why != "" {
			t.Errorf("%s %s: %s", from, why, to)
		}
	}
	if edges == 0 {
		t.Error("go list showed no import inside the module")
	}
}

func TestForbidden(t *testing.T) {
	t.Parallel()
	m := deptest.Module + "/"
	for _, tc := range []struct {
		from, to string
		ok       bool
	}{
		{"cmd/coderclaw", "gateway", true},
		{"supervisor", "instance", true},
		{"supervisor/control", "instance", true},
		{"doctor", "gateway/config", true},
		{"gateway", "gateway/health", true},
		{"gateway/health", "gateway/rpc", true},
		{"gateway/config", "profiles", true},
		{"gateway/health", "gateway/presence", false},
		{"instance", "supervisor/control", false},
		{"gateway/config", "supervisor", false},
		{"supervisor", "gateway/config", false},
		{"servicegen", "supervisor/control", false},
		{"profiles", "instance", false},
		{"internal/json5", "profiles", false},
		{"util", "profiles", false},
	} {
		if why := deptest.Forbidden(m+tc.from, m+tc.to); (why == "") != tc.ok {
			t.Errorf("%s → %s: got %q", tc.from, tc.to, why)
		}
	}
}
