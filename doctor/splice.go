package doctor

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"slices"

	"github.com/coderclaw/coderclaw/internal/swapfile"
)

// A config holds secrets, and there shall be no copy of them. What a journal keeps
// of its edit is therefore only the places that were changed, and what was there
// before: of a value that was added, nothing.

// splicesBack turn the last of the versions back into the first.
func splicesBack(versions [][]byte) []splice {
	var out []splice
	for i := len(versions) - 1; i > 0; i-- {
		old, now := versions[i-1], versions[i]
		if old == nil {
			break // there was no file
		}
		head := 0
		for head < min(len(old), len(now)) && old[head] == now[head] {
			head++
		}
		tail := 0
		for tail < min(len(old), len(now))-head && old[len(old)-1-tail] == now[len(now)-1-tail] {
			tail++
		}
		out = append(out, splice{At: head, Len: len(now) - tail - head, Put: bytes.Clone(old[head : len(old)-tail])})
	}
	return out
}

func spliced(text []byte, all []splice) ([]byte, error) {
	text = bytes.Clone(text)
	for _, s := range all {
		if s.At < 0 || s.Len < 0 || s.At > len(text) || s.Len > len(text)-s.At {
			return nil, errors.New("it is shorter than it was")
		}
		text = slices.Concat(text[:s.At], s.Put, text[s.At+s.Len:])
	}
	return text, nil
}

// newSecret is a credential of 24 random bytes.
func newSecret() string {
	b := make([]byte, 24)
	rand.Read(b) // never fails: the process ends when the system has no randomness
	return hex.EncodeToString(b)
}

// fresh stands in a plan for a secret that is made when the plan is applied.
const fresh = "(made when this is applied)"

// filled is the edit with what is made only when it is applied.
func (e Edit) filled(secret func() string) Edit {
	if e.hidden == nil || !bytes.Contains(e.new, []byte(fresh)) {
		return e
	}
	made := []byte(secret())
	var versions [][]byte
	for _, v := range e.hidden.versions {
		if v != nil {
			v = bytes.ReplaceAll(v, []byte(fresh), made)
		}
		versions = append(versions, v)
	}
	e.hidden = &hidden{versions: versions, shown: e.hidden.shown}
	e.new = bytes.ReplaceAll(e.new, []byte(fresh), made)
	e.After.Hash = swapfile.Hash(e.new)
	return e
}
