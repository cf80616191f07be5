package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
)

// removal is one thing that `uninstall` or `reset` stops, removes or keeps.
type removal struct {
	Action  string `json:"action"` // stop, remove or keep
	What    string `json:"what"`
	Profile string `json:"profile,omitempty"`
	Path    string `json:"path"` // or the name of a service
	Note    string `json:"note,omitempty"`
	Done    bool   `json:"done"` // it was stopped or removed

	do func(context.Context) error // nil for what is kept
}

// Kinds of what lies in a state dir.
const (
	isConfig      = "config"
	isCredentials = "credentials"
	isSessions    = "sessions"
	isWorkspace   = "workspace"
	isRecord      = "records" // logs, crash reports, backups and what the program notes for itself
	isLock        = "lock"
)

// stateKinds says what coderclaw makes in a state dir, by name or pattern. What is
// not listed was made by somebody else, and is never removed.
var stateKinds = []struct{ pattern, kind string }{
	{"coderclaw.json", isConfig}, {"last-good.json", isConfig},
	{".env", isCredentials}, {"gateway", isCredentials}, {"identity", isCredentials}, {"devices", isCredentials}, {"nodes", isCredentials}, {"node", isCredentials}, {"exec-approvals.json", isCredentials}, {"credentials", isCredentials},
	{"agents", isSessions},
	{"workspace", isWorkspace},
	{"logs", isRecord}, {"crashes", isRecord}, {"backups", isRecord}, {"doctor", isRecord}, {"tmp", isRecord},
	{"desired", isRecord}, {"ledger.json", isRecord}, {"supervisor.sock", isRecord}, {"notify.sock", isRecord}, {"gateway.sock", isRecord},
	{".*.tmp", isRecord}, // a write that a crash cut short
	{"setup.lock", isLock}, {"exec-approvals.lock", isLock}, {"doctor.lock", isLock}, {"supervisor.lock", isLock}, {"gateway.lock", isLock},
}

// signs are files that only this program makes: the Node product of the same name
// has a state dir in the same place.
var signs = []string{"setup.lock", "supervisor.lock", "gateway.lock", "desired", "last-good.json", "ledger.json"}

// kindInState tells what an entry of a state dir is, "" for what is not ours.
func kindInState(name string) string {
	for _, k := range stateKinds {
		if ok, _ := path.Match(k.pattern, name); ok {
			return k.kind
		}
	}
	return ""
}

// remover plans what to take away of one profile.
type remover struct {
	p         profiles.Profile
	r         *profiles.Registry
	workspace string // that the config names, else the profile's
	outside   bool   // a workspace outside of the state dir goes even with files that are not ours
	force     bool   // the state dir counts as ours without a sign of it
	exe       string
}

func (a *app) remover(p profiles.Profile, r *profiles.Registry) remover {
	x := remover{p: p, r: r, workspace: p.Workspace}
	if w, err := a.workspaceOf(p, r.Home()); err == nil { // a config that cannot be read names none
		x.workspace = w
	}
	x.exe, _ = proctable.Executable(a.argv0, exec.LookPath) // for a check only
	return x
}

// data lists what there is of the wanted kinds, the locks and the state dir last.
// Nothing outside of the profile's own places is ever in the list.
func (x remover) data(want func(kind string) bool) ([]removal, error) {
	if why := x.unsafe(x.p.StateDir); why != "" {
		return []removal{x.keep("state dir", x.p.StateDir, why)}, nil
	}
	entries, err := os.ReadDir(x.p.StateDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("profile %s: %w", x.p.Name, err)
	}
	if len(entries) > 0 && !x.force && !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return slices.Contains(signs, e.Name()) }) {
		return []removal{x.keep("state dir", x.p.StateDir, "this program never used it; to remove what it knows in there all the same: --force")}, nil
	}
	var plan, kept, locks []removal
	all, left := want(isLock), 0 // entries that stay
	for _, e := range entries {
		full := filepath.Join(x.p.StateDir, e.Name())
		kind := kindInState(e.Name())
		switch {
		case kind == "" && full == x.p.ConfigPath: // under another name
			kind = isConfig
		case kind == "" && (full == x.p.Workspace || full == x.workspace):
			kind = isWorkspace
		}
		switch {
		case kind == "" && all:
			kept = append(kept, x.keep("unknown", full, "not made by coderclaw"))
			left++
		case kind == "" || !want(kind):
			left++
		case kind == isLock:
			locks = append(locks, x.remove(kind, full, ""))
		case kind == isWorkspace:
			plan = append(plan, x.remove(kind, full, census(full).note()))
		default:
			plan = append(plan, x.remove(kind, full, ""))
		}
	}
	if want(isConfig) && !holds(x.p.StateDir, x.p.ConfigPath) {
		plan = append(plan, x.file(isConfig, x.p.ConfigPath)...)
	}
	if want(isWorkspace) {
		plan = append(plan, x.outer()...)
	}
	plan = append(append(plan, kept...), locks...)
	if _, err := os.Lstat(x.p.StateDir); err == nil && all && left == 0 {
		plan = append(plan, removal{Action: "remove", What: "state dir", Profile: x.p.Name, Path: x.p.StateDir, do: func(context.Context) error { return removeStateDir(x.p.StateDir) }})
	}
	return plan, nil
}

// outer lists the workspaces outside of the state dir.
func (x remover) outer() []removal {
	var out []removal
	for _, dir := range slices.Compact([]string{x.p.Workspace, x.workspace}) {
		if filepath.Dir(dir) == x.p.StateDir {
			continue // among its entries
		}
		if _, err := os.Lstat(dir); err != nil {
			continue
		}
		c := census(dir)
		switch why := x.unsafe(dir); {
		case why != "":
			out = append(out, x.keep(isWorkspace, dir, why))
		case len(c.foreign) > 0 && !x.outside:
			out = append(out, x.keep(isWorkspace, dir, c.note()+"; remove it with --workspace"))
		default:
			out = append(out, x.remove(isWorkspace, dir, c.note()))
		}
	}
	return out
}

// file lists one file outside of the state dir, when there is one.
func (x remover) file(kind, full string) []removal {
	info, err := os.Lstat(full)
	switch {
	case err != nil:
		return nil
	case info.IsDir():
		return []removal{x.keep(kind, full, "a directory, where a file should be")}
	}
	return []removal{x.remove(kind, full, "")}
}

// unsafe says why a directory must not be removed whatever the registry says of it.
func (x remover) unsafe(dir string) string {
	if dir == filepath.Dir(dir) {
		return "refusing to remove the root of the file system"
	}
	if holds(dir, x.r.Home()) {
		return "refusing to remove the home directory, or one around it"
	}
	if dir != x.p.StateDir && holds(dir, x.p.StateDir) {
		return "refusing to remove what holds the state dir"
	}
	if holds(dir, x.r.Path()) && dir != x.p.StateDir {
		return "refusing to remove what holds the registry"
	}
	if x.exe != "" && holds(dir, x.exe) && dir != x.p.StateDir {
		return "refusing to remove what holds the program"
	}
	for _, other := range x.r.List() {
		for _, place := range []string{other.StateDir, other.ConfigPath, other.Workspace} {
			if other.Name != x.p.Name && holds(dir, place) {
				return "refusing to remove what belongs to profile " + other.Name
			}
		}
	}
	return ""
}

func (x remover) keep(what, full, why string) removal {
	return removal{Action: "keep", What: what, Profile: x.p.Name, Path: full, Note: why}
}

func (x remover) remove(what, full, note string) removal {
	if target, err := os.Readlink(full); err == nil {
		note = "a link to " + target + ", which stays"
	}
	return removal{Action: "remove", What: what, Profile: x.p.Name, Path: full, Note: note,
		do: func(context.Context) error { return os.RemoveAll(full) }} // of a link only the link
}

// removeStateDir removes a state dir that should be empty by now. Removing the
// service has left the lock that it was done under.
func removeStateDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if kindInState(e.Name()) == isLock {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return removeDir(dir)
}

// removeDir removes a directory that should be empty by now; behind a link, the link too.
func removeDir(dir string) error {
	target, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.Remove(target); err != nil || target == dir {
		return err
	}
	if info, err := os.Lstat(dir); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return os.Remove(dir)
	}
	return nil
}

// contents is what a workspace holds.
type contents struct {
	files   int
	foreign []string // beside what setup writes, by their names below the workspace
}

// maxCensus bounds how many files of a workspace are counted.
const maxCensus = 100_000

var errEnough = errors.New("enough")

// census counts the files of a workspace; it follows no link.
func census(dir string) contents {
	var c contents
	_ = filepath.WalkDir(dir, func(full string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
			return nil // what cannot be read is not counted
		case c.files == maxCensus:
			return errEnough
		}
		c.files++
		name, err := filepath.Rel(dir, full)
		if err == nil && !slices.Contains(seeds, filepath.ToSlash(name)) {
			c.foreign = append(c.foreign, name)
		}
		return nil
	})
	return c
}

// seeds are the files that setup puts into a workspace.
var seeds = []string{".coderclaw/AGENTS.md", ".coderclaw/SOUL.md", ".coderclaw/TOOLS.md", ".coderclaw/IDENTITY.md", ".coderclaw/USER.md"}

func (c contents) note() string {
	if len(c.foreign) == 0 {
		return ""
	}
	var names []string
	more := ""
	for i, name := range c.foreign {
		if i == 3 {
			more = ", …"
			break
		}
		names = append(names, shown(name))
	}
	count := fmt.Sprintf("%d files", len(c.foreign))
	switch {
	case c.files == maxCensus:
		count = "more than " + count
	case len(c.foreign) == 1:
		count = "1 file"
	}
	return fmt.Sprintf("holds %s that setup did not write: %s%s", count, strings.Join(names, ", "), more)
}
