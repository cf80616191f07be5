// Package archive owns how the files of a profile travel: a tree that is copied
// into another directory, and the one file that holds a whole profile, a tar.gz
// that begins with a manifest. It reads archives of strangers, and whatever is in
// them nothing of it lands outside of the directory that it was given.
//
// It does not know what a config says: secrets, ports and paths in it are the
// business of gateway/config, and which profiles exist that of package profiles.
package archive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/coderclaw/coderclaw/profiles"
)

// Format is the version of the layout that this package writes and the only one
// that it reads.
const Format = 1

// The names in an archive. The manifest comes first.
const (
	manifestName = "manifest.json"
	configDir    = "config" // the config file as ConfigName, and what it includes, relative to it
	envName      = "env"    // the .env file
	WorkspaceDir = "workspace"
	AgentsDir    = "agents" // agents/ID/sessions/…
	sessionsName = "sessions"

	ConfigName = "coderclaw.json"
	dotEnv     = ".env"
)

// Manifest says what an archive is and holds.
type Manifest struct {
	Format    int            `json:"format"`
	Profile   string         `json:"profile"`   // its name where it came from
	Coderclaw string         `json:"coderclaw"` // version that wrote it
	Created   time.Time      `json:"created"`
	Settings  map[string]any `json:"settings,omitempty"` // of the registry, those that differ from the rules
	Origin    Origin         `json:"origin"`
	Secrets   bool           `json:"secrets"`            // config and .env are complete
	Sessions  bool           `json:"sessions"`           // the sessions of the agents are in it
	Redacted  []string       `json:"redacted,omitempty"` // keys of the config whose secret was left out
}

// Origin is where the profile lay, absolute: paths in its config may say so.
type Origin struct {
	Home      string `json:"home"`
	StateDir  string `json:"stateDir"`
	Workspace string `json:"workspace"`
}

// maxManifest bounds the manifest; a real one has a few kB.
const maxManifest = 1 << 20

// decodeManifest reads a manifest. Numbers of its settings are json.Number.
func decodeManifest(raw []byte) (Manifest, error) {
	var version struct{ Format int }
	if err := json.Unmarshal(raw, &version); err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", manifestName, err)
	}
	if version.Format != Format {
		return Manifest{}, fmt.Errorf("it has format %d, and this version reads only %d; read it with the version that wrote it, or export it anew", version.Format, Format)
	}
	var m Manifest
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	dec.UseNumber()
	if err := dec.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", manifestName, err)
	}
	if name, err := profiles.ParseName(m.Profile); err != nil || name != m.Profile {
		return Manifest{}, fmt.Errorf("%s: %q is not the name of a profile", manifestName, m.Profile)
	}
	return m, nil
}

// File is one regular file on its way.
type File struct {
	Name    string // slash-separated, in the target
	Mode    fs.FileMode
	Size    int64 // when it was looked at
	ModTime time.Time
}

// Sink is what takes the files of a tree: a directory or an archive. Names are
// slash-separated; a directory comes before what is in it.
type Sink interface {
	Mkdir(name string, perm fs.FileMode) error
	File(ctx context.Context, f File, r io.Reader) error
	Symlink(name, target string) error
}

// chunk is how much is copied between two looks at the context.
const chunk = 16 << 20

// copyUpTo copies until the end of src or max bytes, in chunks that the system may
// copy by itself.
func copyUpTo(ctx context.Context, dst io.Writer, src io.Reader, max int64) (int64, error) {
	var done int64
	for done < max {
		if err := context.Cause(ctx); err != nil {
			return done, err
		}
		n, err := io.CopyN(dst, src, min(chunk, max-done))
		done += n
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return done, err
		}
	}
	return done, nil
}
