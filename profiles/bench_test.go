package profiles_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/profiles"
)

// BenchmarkLoad reads a registry of 300 profiles that are all set up.
func BenchmarkLoad(b *testing.B) {
	home := b.TempDir()
	var text strings.Builder
	for i := range 297 {
		fmt.Fprintf(&text, "[profiles.p%d]\nport = %d\n", i, 20000+i*150)
		if err := os.MkdirAll(filepath.Join(home, fmt.Sprintf(".coderclaw-p%d", i), "workspace"), 0o700); err != nil {
			b.Fatal(err)
		}
	}
	path := filepath.Join(home, "profiles.toml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if r, err := profiles.Load(path, home); err != nil || len(r.List()) != 300 {
			b.Fatal(err)
		}
	}
}
