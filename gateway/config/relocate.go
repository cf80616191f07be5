package config

import (
	"bytes"
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/internal/json5"
)

// Move says that what lay at From, or below it, lies at To. Both are absolute.
type Move struct{ From, To string }

// Shortest secrets that are looked for beside their own key: a shorter one would
// be found in text that has nothing to do with it.
const (
	minInComment = 6
	minInText    = 16
)

// Redact replaces every secret by the Sentinel, also where its text is repeated in
// another value or in a comment, and returns the places that hold the Sentinel then.
// A text that is nothing but ${NAME} stays.
func (b *Bundle) Redact() ([]string, error) {
	var secrets []string
	b.places(func(at spot, text string) bool {
		if isSecret(at, text) {
			secrets = append(secrets, text)
		}
		return false
	})
	slices.SortFunc(secrets, func(x, y string) int { return cmp.Compare(len(y), len(x)) }) // so that none survives as the rest of another
	_, err := b.replaceStrings(func(at spot, text string) (string, bool) {
		if isSecret(at, text) {
			return Sentinel, true
		}
		out := text
		for _, secret := range secrets {
			if len(secret) >= minInText {
				out = strings.ReplaceAll(out, secret, Sentinel)
			}
		}
		return out, out != text
	})
	if err != nil {
		return nil, err
	}
	for _, f := range b.files {
		if err := f.set(redactComments(f.text, f.tree, secrets)); err != nil {
			return nil, err
		}
	}
	return b.Redacted(), nil
}

// redactComments replaces the secrets outside of keys and values, which is to say in comments.
func redactComments(text []byte, tree *json5.Value, secrets []string) []byte {
	var out bytes.Buffer
	done := 0
	skip := func(from, to int) {
		gap := string(text[done:from])
		for _, secret := range secrets {
			if len(secret) >= minInComment {
				gap = strings.ReplaceAll(gap, secret, Sentinel)
			}
		}
		out.WriteString(gap)
		out.Write(text[from:to])
		done = to
	}
	var visit func(*json5.Value)
	visit = func(v *json5.Value) {
		for _, item := range v.Items {
			visit(item)
		}
		for _, m := range v.Members {
			skip(m.KeyStart, m.KeyEnd)
			visit(m.Value)
		}
		if v.Kind != json5.Array && v.Kind != json5.Object {
			skip(v.Start, v.End)
		}
	}
	visit(tree)
	skip(len(text), len(text))
	return out.Bytes()
}

// Redacted lists the places that hold the Sentinel instead of their secret.
func (b *Bundle) Redacted() []string {
	return b.places(func(_ spot, text string) bool { return strings.Contains(text, Sentinel) })
}

// Secrets lists the places that hold a secret in clear.
func (b *Bundle) Secrets() []string { return b.places(isSecret) }

// isSecret tells whether text at that place must not be shown.
func isSecret(at spot, text string) bool { return text != Sentinel && secretAt(at.rule, text) }

// Remove takes the key, which names object keys from the root down, out of every
// file that sets it, and tells whether there was one.
func (b *Bundle) Remove(key ...string) (bool, error) {
	found := false
	for _, f := range b.files {
		for _, at := range f.mounts {
			if at.list || len(at.keys) >= len(key) || !slices.Equal(at.keys, key[:len(at.keys)]) {
				continue
			}
			text, err := json5.Remove(f.text, key[len(at.keys):])
			if err != nil {
				return found, err
			}
			found = found || len(text) != len(f.text)
			if err := f.set(text); err != nil {
				return found, err
			}
		}
	}
	return found, nil
}

// Repoint changes every string that is the path of something that has moved and
// returns their places. Of several moves that fit the first counts. A leading ~
// means home.
func (b *Bundle) Repoint(home string, moves ...Move) ([]string, error) {
	return b.replaceStrings(func(_ spot, text string) (string, bool) {
		file := expandTilde(text, home)
		if !filepath.IsAbs(file) {
			return "", false
		}
		file = filepath.Clean(file)
		for _, m := range moves {
			if m.From != "" && inside(m.From, file) {
				rel, err := filepath.Rel(m.From, file)
				return filepath.Join(m.To, rel), err == nil
			}
		}
		return "", false
	})
}

// RenewCredentials gives the gateway a random token, and password if it has one,
// of its own: in place of every one when all is set, else only where one is redacted
// or missing. It returns the places that it set.
func (b *Bundle) RenewCredentials(all bool) ([]string, error) {
	const token, password = "gateway.auth.token", "gateway.auth.password"
	mode, have := "", map[string]bool{}
	b.places(func(at spot, text string) bool {
		switch {
		case at.list:
		case at.show == "gateway.auth.mode":
			mode = text
		case at.show == token || at.show == password:
			have[at.show] = true
		}
		return false
	})
	fresh := map[string]string{token: newToken(), password: newToken()}
	renewed, err := b.replaceStrings(func(at spot, text string) (string, bool) {
		literal, credential := fresh[at.show]
		return literal, credential && !at.list && (all || text == "" || strings.Contains(text, Sentinel))
	})
	if err != nil {
		return nil, err
	}
	want := token
	if mode == AuthPassword {
		want = password
	}
	if mode == AuthNone || mode == AuthTrustedProxy || have[want] || mode == "" && have[password] {
		return renewed, nil
	}
	text, err := json5.Set(b.files[0].text, strings.Split(want, "."), json5.Quote(fresh[want]))
	if err != nil {
		return nil, err
	}
	return append(renewed, want), b.files[0].set(text)
}
