package main

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
)

// TestExtraServices: what is installed for a profile, its socket unit too, is nothing
// extra, and what is comes with a command that ends that very service.
func TestExtraServices(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	r, err := profiles.Load(filepath.Join(home, "profiles.toml"), home)
	if err != nil {
		t.Fatal(err)
	}
	stray := profiles.Profile{Name: "stray", Port: 30000, StateDir: filepath.Join(home, "stray"), Drain: profiles.DefaultDrain, Isolation: profiles.IsolationOff}
	for _, tc := range []struct {
		format servicegen.Format
		scope  servicegen.Scope
		want   string
	}{
		{servicegen.FormatSystemd, servicegen.ScopeUser, "systemctl --user disable --now coderclaw-gateway-stray.service && rm "},
		{servicegen.FormatSystemd, servicegen.ScopeSystem, "sudo systemctl disable --now coderclaw-gateway-stray.service && sudo rm "},
		{servicegen.FormatLaunchd, servicegen.ScopeUser, "launchctl bootout gui/$(id -u)/ai.coderclaw.stray; rm "},
		{servicegen.FormatLaunchd, servicegen.ScopeSystem, "sudo launchctl bootout system/ai.coderclaw.stray; sudo rm "},
	} {
		dir := t.TempDir()
		o := servicegen.SpecOptions{Format: tc.format, Scope: tc.scope, Exe: "/usr/bin/coderclaw", RegistryPath: r.Path(), Version: "1"}
		if tc.scope == servicegen.ScopeSystem {
			o.User = "daemon"
		}
		put := func(s servicegen.Spec) string {
			t.Helper()
			text, err := s.Render()
			if err != nil {
				t.Fatal(err)
			}
			path := s.Unit(dir).Path
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}
		for _, p := range r.List() {
			put(servicegen.ForProfile(p, o))
			if tc.format == servicegen.FormatSystemd {
				with := o
				with.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:18789")}
				put(servicegen.SocketFor(p, with))
			}
		}
		unit := servicegen.ForProfile(r.List()[0], o).Unit(dir)
		if got := extraServices(tc.format, unit, r); len(got) != 0 {
			t.Errorf("%s, %s: %+v", tc.format, tc.scope, got)
		}
		path := put(servicegen.ForProfile(stray, o))
		if got := extraServices(tc.format, unit, r); len(got) != 1 || got[0].cleanup() != tc.want+path {
			t.Errorf("%s, %s: %+v, want %s", tc.format, tc.scope, got, tc.want+path)
		}
	}
}
