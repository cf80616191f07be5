package execpolicy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/uuid"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
	"github.com/coderclaw/coderclaw/internal/atomicfile"
	"github.com/coderclaw/coderclaw/internal/lockfile"
)

// Names in a state dir: of the file, and of the lock for changing it.
const (
	FileName = "exec-approvals.json"
	lockName = "exec-approvals.lock"
)

// maxFile bounds the file, in bytes.
const maxFile = 4 << 20

// File is the policy file of one state dir, read anew at each use. It is safe for
// concurrent use, by several processes too.
type File struct{ dir string }

// In returns the file of a state dir.
func In(stateDir string) File { return File{stateDir} }

func (f File) path() string { return filepath.Join(f.dir, FileName) }

// Errors of Set that the caller can mend by reading anew, in the form in which a client
// is told of them.
var (
	errBaseRequired = protocol.Invalid("exec approvals base hash required; re-run exec.approvals.get and retry")
	ErrChanged      = protocol.Invalid("exec approvals changed since last load; re-run exec.approvals.get and retry")
)

// Load reads the file; one that is not there is an empty one, by which nothing runs.
// One that is damaged is an error, and stays as it is.
func (f File) Load() (protocol.ExecApprovalsSnapshot, error) {
	s := protocol.ExecApprovalsSnapshot{Path: f.path(), File: protocol.ExecApprovalsFile{Version: 1}}
	file, err := os.Open(s.Path)
	if errors.Is(err, fs.ErrNotExist) {
		s.Hash = hash(nil)
		return s, nil
	}
	if err != nil {
		return s, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return s, err
	}
	s.Exists, s.Hash = true, hash(raw)
	if s.File, err = Parse(raw); err != nil {
		return s, fmt.Errorf("%s: %w; mend or remove it", s.Path, err)
	}
	return s, nil
}

// Parse reads the text of a file. What it does not know is an error: a misspelt rule
// must not count as no rule.
func Parse(raw []byte) (protocol.ExecApprovalsFile, error) {
	if len(raw) > maxFile {
		return protocol.ExecApprovalsFile{}, fmt.Errorf("more than %d bytes", maxFile)
	}
	f, wrong := rpc.ParamsOf[protocol.ExecApprovalsFile]().Read(raw)
	if wrong != "" {
		return f, errors.New(wrong)
	}
	return f, nil
}

func hash(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// Ensure reads the file, and makes it when there is none.
func (f File) Ensure(ctx context.Context) (protocol.ExecApprovalsSnapshot, error) {
	s, err := f.Load()
	if err != nil || s.Exists {
		return s, err
	}
	return f.change(ctx, func(old protocol.ExecApprovalsSnapshot) (*protocol.ExecApprovalsFile, error) {
		if old.Exists {
			return nil, nil
		}
		return &protocol.ExecApprovalsFile{Version: 1, Defaults: &protocol.ExecApprovalsRules{}, Agents: map[string]protocol.ExecApprovalsAgent{}}, nil
	})
}

// Set replaces the file, of which the caller must have seen the content with the hash
// base, else the error is a *protocol.Error, ErrChanged if there is another by now. A socket
// that next does not name is kept.
func (f File) Set(ctx context.Context, next protocol.ExecApprovalsFile, base string) (protocol.ExecApprovalsSnapshot, error) {
	return f.change(ctx, func(old protocol.ExecApprovalsSnapshot) (*protocol.ExecApprovalsFile, error) {
		switch {
		case old.Exists && base == "":
			return nil, errBaseRequired
		case base != "" && base != old.Hash:
			return nil, ErrChanged
		}
		if was := old.File.Socket; was != nil {
			socket := *was
			if next.Socket != nil && next.Socket.Path != "" {
				socket.Path = next.Socket.Path
			}
			if next.Socket != nil && next.Socket.Token != "" {
				socket.Token = next.Socket.Token
			}
			next.Socket = &socket
		}
		return &next, nil
	})
}

// Used notes that a command ran because a pattern of its agent's list fits it; add
// puts the program on the list first.
func (f File) Used(ctx context.Context, agent, path, command string, add bool, nowMs int64) error {
	if agent == "" {
		agent = DefaultAgent
	}
	_, err := f.change(ctx, func(old protocol.ExecApprovalsSnapshot) (*protocol.ExecApprovalsFile, error) {
		next := old.File
		agents := map[string]protocol.ExecApprovalsAgent{}
		for id, rules := range next.Agents {
			rules.Allowlist = slices.Clone(rules.Allowlist)
			agents[id] = rules
		}
		next.Agents = agents
		for _, id := range []string{"*", agent} {
			for i, entry := range agents[id].Allowlist {
				if matches(entry.Pattern, path) {
					entry.LastUsedAt, entry.LastUsedCommand, entry.LastResolvedPath = nowMs, command, path
					agents[id].Allowlist[i] = entry
					return &next, nil
				}
			}
		}
		if !add {
			return nil, nil
		}
		rules := agents[agent]
		rules.Allowlist = append(rules.Allowlist, protocol.ExecAllowlist{ID: uuid.NewString(), Pattern: path, LastUsedAt: nowMs, LastUsedCommand: command, LastResolvedPath: path})
		agents[agent] = rules
		return &next, nil
	})
	return err
}

// change replaces the file by what do makes of it, under its lock; nil leaves it.
func (f File) change(ctx context.Context, do func(protocol.ExecApprovalsSnapshot) (*protocol.ExecApprovalsFile, error)) (protocol.ExecApprovalsSnapshot, error) {
	lock, err := lockfile.Acquire(ctx, filepath.Join(f.dir, lockName))
	if err != nil {
		return protocol.ExecApprovalsSnapshot{}, err
	}
	defer lock.Close()
	s, err := f.Load()
	if err != nil {
		return s, err
	}
	next, err := do(s)
	if err != nil || next == nil {
		return s, err
	}
	raw, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return s, err
	}
	raw = append(raw, '\n')
	if len(raw) > maxFile {
		return s, fmt.Errorf("%s would have more than %d bytes; take entries out of it", s.Path, maxFile)
	}
	if err := atomicfile.WriteFile(s.Path, raw, 0o600); err != nil {
		return s, err
	}
	return protocol.ExecApprovalsSnapshot{Path: s.Path, Exists: true, Hash: hash(raw), File: *next}, nil
}

// Shown is a snapshot without what nobody is to see.
func Shown(s protocol.ExecApprovalsSnapshot) protocol.ExecApprovalsSnapshot {
	if s.File.Socket != nil {
		s.File.Socket = &protocol.ExecApprovalsSocket{Path: s.File.Socket.Path}
	}
	return s
}
