package config

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/coderclaw/coderclaw/internal/atomicfile"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/json5"
	"github.com/coderclaw/coderclaw/profiles"
)

// Skeleton is the file that Setup writes for a gateway with that token.
func Skeleton(token string) []byte {
	return []byte(`{
  "gateway": {
    "mode": "local",
    "auth": {
      "mode": "token",
      "token": ` + json5.Quote(token) + `
    }
  }
}
`)
}

// newToken returns 24 random bytes as 48 hexadecimal digits.
func newToken() string {
	b := make([]byte, 24)
	rand.Read(b) // never fails: the process ends when the system has no randomness
	return hex.EncodeToString(b)
}

// planConfig returns what to do about the file and the config that will hold then.
func planConfig(p profiles.Profile, o SetupOptions) (step, Config, error) {
	s := step{SetupEntry: SetupEntry{Action: Kept, What: "config", Path: p.ConfigPath}}
	lookup, _, err := Environment(p, o.PassEnv)
	if err != nil {
		return s, Config{}, err
	}
	snap, err := LoadProfile(p, lookup)
	if err != nil {
		return s, Config{}, err
	}
	if err := snap.Err(); err != nil {
		return s, Config{}, err
	}
	secret := o.secret
	if secret == nil {
		secret = newToken
	}
	before := snap.Raw
	var edits []edit
	if snap.Exists {
		info, err := os.Stat(p.ConfigPath)
		if err != nil {
			return s, Config{}, err
		}
		s.Note = wideNote(info)
		haveToken, havePassword := haveCredentials(snap.Config.Gateway.Auth, lookup)
		edits = missingValues(snap.Config.Gateway, haveToken, havePassword, secret)
	} else {
		before = Skeleton(secret())
	}
	edits = append(edits, askedValues(snap.Config, o)...)
	if snap.Exists && len(edits) == 0 {
		return s, snap.Config, nil
	}
	versions, names, err := applyEdits(before, edits)
	after := versions[len(versions)-1]
	if err != nil {
		return s, Config{}, exitcode.With(exitcode.Config, fmt.Errorf("config %s: %w", p.ConfigPath, err))
	}
	checked, err := parse(snap.Path, after, true, lookup)
	if err != nil {
		return s, Config{}, err
	}
	if err := checked.Err(); err != nil {
		return s, Config{}, fmt.Errorf("set %s: %w", strings.Join(names, ", "), err)
	}
	s.Action = Made
	if snap.Exists {
		s.Action = Updated
	}
	if len(names) > 0 {
		s.Note = "set " + strings.Join(names, ", ")
	}
	s.do = func() error { return replaceConfig(p.ConfigPath, snap.Raw, after) }
	s.placed = Placement{Path: p.ConfigPath, Data: after, Versions: versions, Set: names}
	if !snap.Exists {
		s.placed.Versions = append([][]byte{nil}, versions...)
		s.placed.Set = append([]string{"gateway.mode", "gateway.auth.mode", "gateway.auth.token"}, names...)
	}
	return s, checked.Config, nil
}

// replaceConfig writes after unless the file is no longer what it was.
func replaceConfig(path string, before, after []byte) error {
	now, err := readBounded(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !bytes.Equal(now, before) {
		return fmt.Errorf("%s changed meanwhile; run setup again", path)
	}
	return atomicfile.WriteFile(path, after, 0o600)
}

// edit is one value to set.
type edit struct {
	path    []string
	literal string
}

func editOf(literal string, path ...string) edit { return edit{path, literal} }

// missingValues are the values without which a gateway does not start. A credential
// is made of the kind that the file asks for; auth mode none needs none.
func missingValues(gw Gateway, haveToken, havePassword bool, secret func() string) []edit {
	var edits []edit
	if gw.Mode == "" {
		edits = append(edits, editOf(`"local"`, "gateway", "mode"))
	}
	switch mode := ResolveAuthMode(gw.Auth, haveToken, havePassword); {
	case mode == AuthPassword && !havePassword:
		edits = append(edits, editOf(json5.Quote(secret()), "gateway", "auth", "password"))
	case mode == AuthToken && !haveToken, mode == "":
		edits = append(edits, editOf(json5.Quote(secret()), "gateway", "auth", "token"))
	}
	return edits
}

// askedValues are those of o that the config does not hold yet.
func askedValues(cfg Config, o SetupOptions) []edit {
	var edits []edit
	if o.Port != 0 && cfg.Gateway.Port != o.Port {
		edits = append(edits, editOf(strconv.Itoa(o.Port), "gateway", "port"))
	}
	if o.Workspace != "" && cfg.Agents.Defaults.Workspace != o.Workspace {
		edits = append(edits, editOf(json5.Quote(o.Workspace), "agents", "defaults", "workspace"))
	}
	return edits
}

// applyEdits returns src and what it is after each edit, at least src.
func applyEdits(src []byte, edits []edit) (versions [][]byte, names []string, err error) {
	versions = [][]byte{src}
	for _, e := range edits {
		if src, err = json5.Set(src, e.path, e.literal); err != nil {
			return versions, nil, err
		}
		versions, names = append(versions, src), append(names, strings.Join(e.path, "."))
	}
	return versions, names, nil
}
