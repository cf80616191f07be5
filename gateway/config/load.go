package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/json5"
	"github.com/coderclaw/coderclaw/profiles"
)

// maxFile bounds what is read of one configuration or .env file. The largest known
// config of a real user is below 100 kB.
const maxFile = 4 << 20

// Snapshot is one reading of a configuration file: what it said, what follows from
// it, and what is wrong with it. It is read-only and safe for concurrent use.
type Snapshot struct {
	Path     string // absolute
	Exists   bool   // false: all defaults, valid
	Raw      []byte // bytes of the root file, nil when it does not exist
	Hash     string // hex SHA-256 of Raw, includes not counted
	Config   Config
	Tree     *json5.Value // of the root file; nil when it does not exist or does not parse
	Problems []Problem    // any makes the file invalid
	Warnings []Problem    // keys without effect
	Includes []string     // absolute paths of the included files, in the order of reading

	resolved  *node  // nil when there is nothing to resolve
	fullHash  string // of Raw and all includes
	whole     any    // the tree after includes, before variables
	port      int    // default of gateway.port
	workspace string // default of agents.defaults.workspace, "" when not known
	flag      string // how a person names the profile on a command line
}

// Load reads the file at path, its includes and its variables, which lookup
// provides. It fails only when the file cannot be read, marked exitcode.Config;
// everything wrong with the contents is in Problems.
func Load(path string, lookup func(string) (string, bool)) (*Snapshot, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("config %s: %w", path, err)
	}
	raw, err := readBounded(abs)
	if errors.Is(err, fs.ErrNotExist) {
		return parse(abs, nil, false, lookup)
	}
	if err != nil {
		return nil, exitcode.With(exitcode.Config, fmt.Errorf("config: %w", err))
	}
	return parse(abs, raw, true, lookup)
}

// LoadProfile is Load for the file of p. Get then shows the port and workspace of p
// where the file is silent, and messages name p in the commands they propose.
func LoadProfile(p profiles.Profile, lookup func(string) (string, bool)) (*Snapshot, error) {
	s, err := Load(p.ConfigPath, lookup)
	if err != nil {
		return nil, err
	}
	s.port, s.workspace, s.flag = p.Port, p.Workspace, flagOf(p)
	return s, nil
}

func parse(path string, raw []byte, exists bool, lookup func(string) (string, bool)) (*Snapshot, error) {
	sum := sha256.Sum256(raw)
	s := &Snapshot{Path: path, Exists: exists, Raw: raw, Hash: hex.EncodeToString(sum[:]), port: profiles.DefaultPort}
	s.fullHash = s.Hash
	if lookup == nil {
		lookup = func(string) (string, bool) { return "", false }
	}
	if exists {
		if err := s.resolve(lookup); err != nil {
			return nil, err
		}
	}
	sortProblems(path, s.Problems)
	sortProblems(path, s.Warnings)
	s.Config = decode(s.resolved)
	return s, nil
}

// resolve runs the steps from text to a checked tree. Each needs the one before, so
// a problem in one ends it.
func (s *Snapshot) resolve(lookup func(string) (string, bool)) error {
	tree, err := json5.Parse(s.Raw)
	if err != nil {
		s.Problems = []Problem{syntaxProblem(s.Path, err)}
		return nil
	}
	s.Tree = tree
	if tree.Kind != json5.Object {
		s.Problems = []Problem{{File: s.Path, Line: tree.Line, Col: tree.Col,
			Message: "the file must hold an object, holds " + article(tree.Kind), Fix: "begin it with { and end it with }"}}
		return nil
	}
	in := newIncluder(s.Path, s.Raw)
	root := in.resolve(newNode(tree, s.Path), []string{s.Path})
	s.Includes, s.fullHash = in.files, in.hash()
	if in.problems != nil {
		s.Problems = in.problems
		return nil
	}
	s.whole = root.any()
	s.Problems = substitute(root, lookup)
	checked := validate(root)
	s.Problems = append(s.Problems, checked.problems...)
	s.Warnings = checked.warnings
	expandHome(root, lookup)
	s.resolved = root
	return nil
}

// Whole is the file with everything that it includes, variables as written, as
// one JSON text that Load reads to the same effect from anywhere.
func (s *Snapshot) Whole() ([]byte, error) {
	text, err := json.MarshalIndent(s.whole, "", "  ")
	if err != nil { // Infinity and NaN, which JSON5 has and JSON has not
		return nil, fmt.Errorf("config %s: %w", s.Path, err)
	}
	return append(text, '\n'), nil
}

func syntaxProblem(file string, err error) Problem {
	p := Problem{File: file, Message: err.Error()}
	if se, ok := errors.AsType[*json5.SyntaxError](err); ok {
		p.Line, p.Col, p.Message = se.Line, se.Col, se.Msg
	}
	return p
}

// readBounded reads a regular file of at most maxFile bytes. Anything else, such as
// a pipe that would block, is refused before it is opened.
func readBounded(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s: larger than %d MiB", path, maxFile>>20)
	}
	return b, nil
}
