package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"os"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/gateway/config"
)

// sum is the SHA-256 of a secret. Sums are compared instead of the secrets, so that
// a comparison takes as long whatever they are.
type sum [sha256.Size]byte

func sumOf(secret string) sum { return sha256.Sum256([]byte(secret)) }

func (s sum) is(other sum) bool { return subtle.ConstantTimeCompare(s[:], other[:]) == 1 }

// Fingerprint names a secret without telling it: the first 4 hex digits of its SHA-256.
func Fingerprint(secret string) string {
	s := sumOf(secret)
	return hex.EncodeToString(s[:2])
}

// secrets are what clients may show, the token of before a rotation included. It is
// safe for concurrent use.
type secrets struct {
	mode     string
	password sum
	haveP    bool
	follow   Rotations // zero where the token cannot be rotated
	now      func() time.Time

	mu       sync.Mutex // guards what follows
	current  sum
	haveT    bool
	previous []retired
	seen     [2]os.FileInfo // the rotation and the config as last read
}

// Rotations are where a gateway learns that its token was rotated.
type Rotations struct {
	File   string                 // that RotateToken writes
	Config string                 // the file
	Token  func() (string, error) // reads from it what the token is now
}

func newSecrets(s Settings, follow Rotations, now func() time.Time) *secrets {
	k := &secrets{mode: s.Mode, password: sumOf(s.Password), haveP: s.Password != "", current: sumOf(s.Token), haveT: s.Token != "", now: now}
	if s.Mode == config.AuthToken && s.TokenSource == TokenInConfig {
		k.follow = follow
	}
	return k
}

// verify holds what a client showed against the secret, in a time that does not
// depend on either. reason is "" when ok.
func (k *secrets) verify(token, password string) (ok bool, reason string) {
	switch k.mode {
	case config.AuthToken:
		have, right := k.tokenIs(sumOf(token))
		return verdict(have, right, token, ReasonTokenMissingConfig, ReasonTokenMissing, ReasonTokenMismatch)
	case config.AuthPassword:
		return verdict(k.haveP, k.password.is(sumOf(password)), password, ReasonPasswordMissingConfig, ReasonPasswordMissing, ReasonPasswordMismatch)
	}
	return false, ReasonOther // mode none accepts no shared secret; only a paired device gets in
}

func verdict(have, right bool, got, unset, missing, mismatch string) (bool, string) {
	switch {
	case !have:
		return false, unset
	case got == "":
		return false, missing
	case right:
		return true, ""
	}
	return false, mismatch
}

// tokenIs tells whether there is a token, and whether it is that one or one that was
// rotated away and counts still.
func (k *secrets) tokenIs(shown sum) (have, right bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refreshLocked()
	right = k.current.is(shown)
	now := k.now()
	for _, old := range k.previous {
		same := old.sum.is(shown) // always compared
		right = right || same && now.Before(old.until)
	}
	return k.haveT, right
}

// mark is of the secrets that count now, without what was rotated away: it changes when they do.
func (k *secrets) mark() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refreshLocked()
	return k.mode + string(k.current[:]) + string(k.password[:])
}

// refreshLocked takes over a rotation that the config follows already. It reads the
// files only when one has changed. k.mu must be held.
func (k *secrets) refreshLocked() {
	if k.follow.File == "" {
		return
	}
	rotated, err := os.Stat(k.follow.File)
	if err != nil {
		return
	}
	written, err := os.Stat(k.follow.Config)
	if err != nil || same(rotated, k.seen[0]) && same(written, k.seen[1]) {
		return
	}
	k.seen = [2]os.FileInfo{rotated, written}
	r, err := readRotation(k.follow.File)
	if err != nil {
		return // RotateToken replaces it; until then what is known counts
	}
	token, err := k.follow.Token()
	if err != nil || token == "" || !sumOf(token).is(r.current) {
		return // the config is written last, or somebody has changed it since
	}
	k.current, k.haveT, k.previous = r.current, true, r.previous
}

// same tells whether a file is what it was.
func same(now, then os.FileInfo) bool {
	return then != nil && os.SameFile(now, then) && now.ModTime().Equal(then.ModTime()) && now.Size() == then.Size()
}

// Equal compares two secrets in a time that tells nothing of either.
func Equal(a, b string) bool { return sumOf(a).is(sumOf(b)) }
