package config

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/coderclaw/coderclaw/internal/atomicfile"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/json5"
	"github.com/coderclaw/coderclaw/internal/lockfile"
	"github.com/coderclaw/coderclaw/profiles"
)

// ErrTokenElsewhere is for a token that the config file itself does not hold.
var ErrTokenElsewhere = errors.New("the token is not written in the config")

// RenewToken replaces the value of gateway.auth.token in the file of p and in the last
// good one, and nothing else of them, by a random one. prepare is called just before with the old token and
// the new; undo takes back what it did when the file cannot be written.
//
// It fails with ErrTokenElsewhere, marked exitcode.Auth, where the token comes from
// an included file, a variable, or is none of the file's.
func RenewToken(ctx context.Context, p profiles.Profile, lookup func(string) (string, bool), prepare func(old, token string) (undo func() error, err error)) error {
	if _, err := os.Stat(p.ConfigPath); missing(err) {
		return errMissingConfig(flagOf(p))
	}
	lock, err := lockfile.Acquire(ctx, filepath.Join(p.StateDir, setupLock))
	if err != nil {
		return fmt.Errorf("config %s: %w", p.ConfigPath, err)
	}
	return errors.Join(renewLocked(p, lookup, prepare), lock.Close())
}

func renewLocked(p profiles.Profile, lookup func(string) (string, bool), prepare func(old, token string) (func() error, error)) error {
	s, err := LoadProfile(p, lookup)
	if err != nil {
		return err
	}
	if err := s.Err(); err != nil {
		return err
	}
	old := s.Config.Gateway.Auth.Token
	if why := s.tokenElsewhere(old, lookup); why != "" {
		return exitcode.With(exitcode.Auth, fmt.Errorf("%w %s: %s", ErrTokenElsewhere, p.ConfigPath, why))
	}
	token := newToken()
	after, err := setToken(s.Raw, token)
	if err != nil {
		return exitcode.With(exitcode.Config, fmt.Errorf("config %s: %w", p.ConfigPath, err))
	}
	undo, err := prepare(old, token)
	if err != nil {
		return err
	}
	undoGood, err := renewGood(p.LastGoodFile(), old, token)
	if err != nil {
		return errors.Join(err, undo())
	}
	if err := replaceConfig(p.ConfigPath, s.Raw, after); err != nil {
		return errors.Join(err, undoGood(), undo())
	}
	return nil
}

// renewGood replaces the token in the last good config too, so that one which was
// rotated away does not come back with it. It leaves a file alone that is not there
// or holds another token.
func renewGood(path, old, token string) (undo func() error, err error) {
	nothing := func() error { return nil }
	raw, err := readBounded(path)
	if missing(err) {
		return nothing, nil
	}
	if err != nil {
		return nil, fmt.Errorf("last good config: %w", err)
	}
	tree, err := json5.Parse(raw)
	if err != nil {
		return nothing, nil // no gateway starts with it
	}
	if writtenToken(tree) != old {
		return nothing, nil
	}
	after, err := setToken(raw, token)
	if err == nil {
		err = atomicfile.WriteFile(path, after, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("last good config %s: %w", path, err)
	}
	return func() error { return atomicfile.WriteFile(path, raw, 0o600) }, nil
}

// writtenToken is what stands at gateway.auth.token, "" when that is no text.
func writtenToken(tree *json5.Value) string {
	if v := tree.Get("gateway").Get("auth").Get("token"); v != nil && v.Kind == json5.String {
		return v.Text
	}
	return ""
}

// setToken is text with that token at gateway.auth.token, and nothing else changed.
func setToken(text []byte, token string) ([]byte, error) {
	return json5.Set(text, []string{"gateway", "auth", "token"}, json5.Quote(token))
}

// tokenElsewhere says where the token comes from when the root file does not hold
// it, "" when it does.
func (s *Snapshot) tokenElsewhere(token string, lookup func(string) (string, bool)) string {
	written := writtenToken(s.Tree)
	switch {
	case written != "" && written == token:
		return ""
	case written != "":
		return "a variable stands there; change the value of that"
	case token != "":
		return "an included file holds it; change it there"
	}
	if v, ok := lookup(EnvToken); ok && v != "" {
		return EnvToken + " provides it; change it where it is set, or unset it and run: coderclaw " + s.flag + "setup"
	}
	if s.Config.Gateway.Auth.Password != "" {
		return "the gateway asks for a password, gateway.auth.password"
	}
	if s.Config.Gateway.Mode == "remote" {
		return "the gateway of this profile runs elsewhere, for gateway.mode is remote; change it there"
	}
	return "there is none; make one with: coderclaw " + s.flag + "setup"
}
