//go:build unix

package doctor

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// TestPipesDoNotBlock: a pipe in the place of any file is found, and never opened.
func TestPipesDoNotBlock(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]func(Target) string{
		"unit":    func(g Target) string { return g.Unit.Path },
		"drop-in": func(g Target) string { return filepath.Join(g.Unit.Path+".d", "a.conf") },
		"config":  func(g Target) string { return g.Profile.ConfigPath },
		".env":    func(g Target) string { return g.Profile.EnvFile() },
		"wish":    func(g Target) string { return g.Profile.DesiredFile() },
		"lock":    func(g Target) string { return g.Profile.SupervisorLock() },
		"gateway": func(g Target) string { return g.Profile.GatewayLock() },
		"ledger":  func(g Target) string { return g.Profile.Ledger() },
		"devices": func(g Target) string { return filepath.Join(g.Profile.StateDir, "devices", "paired.json") },
		"token":   func(g Target) string { return filepath.Join(g.Profile.StateDir, "identity", "device-auth.json") },
		"log":     func(g Target) string { return filepath.Join(g.Profile.LogDir(), "coderclaw-2026-01-01.log") },
		"crash":   func(g Target) string { return filepath.Join(g.Profile.CrashDir(), "20260101-000000.json") },
		"program": func(g Target) string { return g.Spec.Exec[0] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := onDisk(t)
			place := path(g)
			_ = os.Remove(place) // most are not there
			if err := os.MkdirAll(filepath.Dir(place), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mkfifo(place, 0o600); err != nil {
				t.Fatal(err)
			}
			got := codes(found(t, g))
			want := map[string][]Code{"unit": {UnitNotFile}, "drop-in": {DropInBad}, "config": {ConfigInvalid, NotRegular}, ".env": {ConfigInvalid, NotRegular},
				"wish": {NotRegular}, "lock": {NotRegular}, "gateway": {NotRegular}, "ledger": {NotRegular}, "devices": {DevicesDamaged}, "program": {BinaryMissing}}[name]
			if !slices.Equal(got, want) {
				t.Errorf("found %v, want %v", got, want)
			}
		})
	}
}
