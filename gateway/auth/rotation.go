package auth

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/atomicfile"
	"github.com/coderclaw/coderclaw/internal/jsonfile"
	"github.com/coderclaw/coderclaw/profiles"
)

// retired is a token that a rotation replaced.
type retired struct {
	sum   sum
	until time.Time // it lets in until then
}

// rotation is what the file of the same name holds: no token, only their sums, so
// that a token lies in the config and nowhere else.
type rotation struct {
	current  sum
	previous []retired
}

// rotationFile is the form of the file.
type rotationFile struct {
	Version  int           `json:"version"`
	Current  string        `json:"current"` // hex SHA-256
	Previous []retiredForm `json:"previous"`
}

type retiredForm struct {
	SHA256  string `json:"sha256"`
	UntilMs int64  `json:"untilMs"`
}

// maxRetired bounds the tokens that count beside the current one.
const maxRetired = 8

// RotationFile is where the rotations of the token of the gateway with that state dir are kept.
func RotationFile(stateDir string) string {
	return filepath.Join(stateDir, "gateway", "token-rotation.json")
}

func readRotation(path string) (rotation, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return rotation{}, err
	}
	r, err := parseRotation(raw)
	if err != nil {
		return rotation{}, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

func parseRotation(raw []byte) (rotation, error) {
	var f rotationFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return rotation{}, err
	}
	var r rotation
	if err := parseSum(&r.current, f.Current); err != nil {
		return rotation{}, err
	}
	if len(f.Previous) > maxRetired {
		return rotation{}, fmt.Errorf("more than %d tokens", maxRetired)
	}
	for _, p := range f.Previous {
		old := retired{until: time.UnixMilli(p.UntilMs)}
		if err := parseSum(&old.sum, p.SHA256); err != nil {
			return rotation{}, err
		}
		r.previous = append(r.previous, old)
	}
	return r, nil
}

func parseSum(into *sum, text string) error {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(into) {
		return errors.New("what should be a SHA-256 is none")
	}
	copy(into[:], raw)
	return nil
}

func (r rotation) write(path string) error {
	f := rotationFile{Version: 1, Current: hex.EncodeToString(r.current[:]), Previous: []retiredForm{}}
	for _, p := range r.previous {
		f.Previous = append(f.Previous, retiredForm{hex.EncodeToString(p.sum[:]), p.until.UnixMilli()})
	}
	return jsonfile.Write(path, f)
}

// InForce returns the fingerprint of the token that a running gateway asks for, which
// started with the one of fingerprint started and reads the config that holds token.
func InForce(stateDir, started, token string) string {
	if r, err := readRotation(RotationFile(stateDir)); err == nil && token != "" && r.current.is(sumOf(token)) {
		return Fingerprint(token)
	}
	return started
}

// Rotated is what RotateToken did.
type Rotated struct {
	Old, New string    // fingerprints
	Until    time.Time // the old token lets in until then
}

// RotateToken gives the gateway of p a new token in its config, and lets the old one
// count for the time of grace. A gateway that runs takes both over at the next
// client that connects; connections stay. The file is checked before anything is
// written, and left as it is on an error.
func RotateToken(ctx context.Context, p profiles.Profile, lookup func(string) (string, bool), grace time.Duration, now time.Time) (Rotated, error) {
	path := RotationFile(p.StateDir)
	var out Rotated
	err := config.RenewToken(ctx, p, lookup, func(old, token string) (undo func() error, err error) {
		before, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		known, err := readRotation(path)
		if err != nil || !known.current.is(sumOf(old)) {
			known = rotation{} // damaged, or of a token that somebody has replaced by hand
		}
		next := rotation{current: sumOf(token), previous: []retired{{sumOf(old), now.Add(grace)}}}
		for _, r := range known.previous {
			if r.until.After(now.Add(grace)) { // less grace is asked for now
				r.until = now.Add(grace)
			}
			if len(next.previous) < maxRetired {
				next.previous = append(next.previous, r)
			}
		}
		next.previous = slices.DeleteFunc(next.previous, func(r retired) bool { return !now.Before(r.until) })
		out = Rotated{Old: Fingerprint(old), New: Fingerprint(token), Until: now.Add(grace)}
		if before == nil {
			undo = func() error { return os.Remove(path) }
		} else {
			undo = func() error { return atomicfile.WriteFile(path, before, 0o600) }
		}
		return undo, next.write(path)
	})
	return out, err
}
