package profiles_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
)

func TestMetricsPort(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text    string
		port    int
		problem string // a part of the error, "" for none
	}{
		{"", 0, ""},
		{"[supervisor]\nlkg = \"on\"\n", 0, ""},
		{"[supervisor]\nmetrics_port = 9464\n", 9464, ""},
		{"supervisor.metrics_port = 65535\n", 65535, ""},
		{"\n[supervisor]\n# none\nmetrics_port = 0\n", 0, "r.toml:4: supervisor.metrics_port: 0 is not a port"},
		{"supervisor.metrics_port = -1\n", 0, "r.toml:1: supervisor.metrics_port: -1 is not a port"},
		{"[supervisor]\nmetrics_port = 65536\n", 0, "65536 is not a port"},
		{"[supervisor]\nmetrics_port = \"9464\"\n", 0, "r.toml:2"},
		{"[supervisor]\nmetrics_port = 19111\n", 0, "lies in the port block 19001-19111 of profile dev"},
		{"[supervisor]\nmetrics_port = 20110\n[profiles.a]\nport = 20000\n", 0, "of profile a"},
		{"[supervisor]\nmetrics_port = 20111\n[profiles.a]\nport = 20000\n", 20111, ""},
	} {
		home := t.TempDir()
		path := filepath.Join(home, "r.toml")
		if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := profiles.Load(path, home)
		if tc.problem != "" {
			if err == nil || !strings.Contains(err.Error(), tc.problem) || exitcode.Of(err) != exitcode.Config {
				t.Errorf("%q: got %v", tc.text, err)
			}
			continue
		}
		if err != nil || r.MetricsPort() != tc.port {
			t.Errorf("%q: got %v, %v", tc.text, r.MetricsPort(), err)
		}
	}
}

func TestMetricsPortIsNoProfiles(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	path := filepath.Join(home, "r.toml")
	if err := os.WriteFile(path, []byte("[supervisor]\nmetrics_port = 20005\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := profiles.Create(t.Context(), path, home, "a", profiles.CreateOptions{Bindable: anyPort})
	if err != nil || p.Port != 20200 {
		t.Errorf("got port %d, %v", p.Port, err)
	}
	_, err = profiles.Create(t.Context(), path, home, "b", profiles.CreateOptions{Change: profiles.Change{Port: 20000}, Bindable: anyPort})
	if exitcode.Of(err) != exitcode.Usage || !strings.Contains(err.Error(), "metrics_port") {
		t.Errorf("got %v", err)
	}
}
