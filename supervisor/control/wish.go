package control

import (
	"errors"
	"io"
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
	text, err := readWish(p)
	if err != nil {
		return "" // most have none; one that cannot be read must not keep a gateway down
	}
	return strings.TrimSpace(string(text))
}

// maxWish bounds what is read of the file, in bytes; a wish is a word.
const maxWish = 4 << 10

func readWish(p profiles.Profile) ([]byte, error) {
	f, err := os.Open(p.DesiredFile())
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxWish))
	return text, errors.Join(err, f.Close())
}

// Wish records what a person asks for; what is recorded already is not written again.
func Wish(p profiles.Profile, want string) error {
	text, err := readWish(p)
	if err != nil && !errors.Is(err, fs.ErrNotExist) || strings.TrimSpace(string(text)) == want {
		return err
	}
	return atomicfile.WriteFile(p.DesiredFile(), []byte(want+"\n"), 0o600)
}
