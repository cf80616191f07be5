package ticket

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/coderclaw/coderclaw/internal/atomicfile"
)

const keySize = 32

// keyFile is where the gateway with this state dir keeps the key of its browser sessions.
func keyFile(stateDir string) string { return filepath.Join(stateDir, "gateway", "browser.key") }

// LoadKey reads the key of browser sessions, which is made when there is none. One that
// cannot be one is replaced: it ends sessions, and nothing else is lost.
func LoadKey(stateDir string) ([]byte, error) {
	path := keyFile(stateDir)
	key, err := os.ReadFile(path)
	if err == nil && len(key) == keySize {
		return key, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("key of browser sessions: %w", err)
	}
	key = make([]byte, keySize)
	rand.Read(key) // never fails
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("key of browser sessions: %w", err)
	}
	if err := atomicfile.WriteFile(path, key, 0o600); err != nil {
		return nil, fmt.Errorf("key of browser sessions: %w", err)
	}
	return key, nil
}
