package control

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/coderclaw/coderclaw/internal/atomicfile"
	"github.com/coderclaw/coderclaw/profiles"
)

// What the file that records a person's wish holds (profiles.Profile.DesiredFile).
const (
	WantRunning = "running"
	WantStopped = "stopped"
)

// Wanted is what a person last asked for, "" if nothing.
func Wanted(p profiles.Profile) string {
	text, err := os.ReadFile(p.DesiredFile())
	if err != nil {
		return "" // most have none; one that cannot be read must not keep a gateway down
	}
	return strings.TrimSpace(string(text))
}

// Wish records what a person asks for; what is recorded already is not written again.
func Wish(p profiles.Profile, want string) error {
	text, err := os.ReadFile(p.DesiredFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) || strings.TrimSpace(string(text)) == want {
		return err
	}
	return atomicfile.WriteFile(p.DesiredFile(), []byte(want+"\n"), 0o600)
}
