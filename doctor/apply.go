package doctor

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/coderclaw/coderclaw/internal/atomicfile"
	"github.com/coderclaw/coderclaw/internal/lockfile"
	"github.com/coderclaw/coderclaw/internal/swapfile"
	"github.com/coderclaw/coderclaw/profiles"
)

// Apply carries out a plan, one repair of a profile at a time. It stops at the
// first thing that fails.
func Apply(ctx context.Context, t Target, plan Plan) (err error) {
	if err := os.MkdirAll(t.Profile.StateDir, 0o700); err != nil {
		return fmt.Errorf("state dir: %w", err)
	}
	lock, err := lockfile.Acquire(ctx, filepath.Join(t.Profile.StateDir, "doctor.lock"))
	if _, held := errors.AsType[*lockfile.HeldError](err); held {
		return fmt.Errorf("another repair of profile %s is under way: %w", t.Profile.Name, err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	for i, s := range plan.Steps {
		for j, e := range s.Edits {
			e = e.filled(newSecret)
			c := swapfile.Change{Path: e.Path, From: e.Before, To: e.After, Data: e.new,
				Spare: filepath.Join(filepath.Dir(e.Path), fmt.Sprintf(".coderclaw-%d-%d.tmp", i, j))}
			if err := os.MkdirAll(filepath.Dir(e.Path), 0o700); err != nil {
				return err
			}
			if err := c.Do(); err != nil {
				return fmt.Errorf("%s: %w", s.What, err)
			}
		}
		for _, a := range s.Actions {
			if err := t.act(ctx, a); err != nil {
				return fmt.Errorf("%s: %w", s.What, err)
			}
		}
	}
	return nil
}

// newSecret is a credential of 24 random bytes.
func newSecret() string {
	b := make([]byte, 24)
	rand.Read(b) // never fails: the process ends when the system has no randomness
	return hex.EncodeToString(b)
}

// filled is the edit with what is made only when it is applied.
func (e Edit) filled(secret func() string) Edit {
	if e.hidden == nil || !bytes.Contains(e.new, []byte(fresh)) {
		return e
	}
	made := []byte(secret())
	h := *e.hidden
	h.versions = nil
	for _, v := range e.hidden.versions {
		h.versions = append(h.versions, bytes.ReplaceAll(v, []byte(fresh), made))
	}
	e.hidden, e.new = &h, bytes.ReplaceAll(e.new, []byte(fresh), made)
	e.After.Hash = swapfile.Hash(e.new)
	return e
}

// Backup keeps the text of a file that is about to be changed, below the state
// dir of p, where only its owner can read it.
func Backup(p profiles.Profile, path string, text []byte) error {
	dir := filepath.Join(p.StateDir, "backups")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	name := filepath.Join(dir, filepath.Base(path)+"."+time.Now().UTC().Format("20060102T150405.000")+".bak")
	return atomicfile.WriteFile(name, text, 0o600)
}
