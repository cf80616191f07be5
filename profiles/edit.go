package profiles

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/coderclaw/coderclaw/internal/atomicfile"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/lockfile"
)

// Change is what a new profile has that differs from the rules. Zero values mean the rule.
type Change struct {
	Port       int // base of its block; 0 takes a free one
	StateDir   string
	ConfigPath string
	Workspace  string
	PassEnv    []string
	Drain      time.Duration
	Isolation  string
	Allow      []string
}

// CreateOptions says how a profile is made.
type CreateOptions struct {
	Change
	// Taken are further blocks to keep clear of: those that configs have moved elsewhere.
	Taken []Block
	// Bindable tells whether a port can be bound now; nil tries it on the loopback addresses.
	Bindable func(port int) bool
	// Settings, as Registry.Settings returns them, are taken over; Change wins over them.
	Settings map[string]any
	// Prepare is called with the profile when all checks have passed, while the
	// registry is still locked; its error, passed on, keeps the registry as it was.
	Prepare func(Profile) error
}

// Blocks are handed out from firstBase in steps: clear of the built-in profiles,
// with room to read a port's owner off its digits, and below 32768, where Linux
// begins to take ports for outgoing connections.
const (
	firstBase = 20000
	baseStep  = 200
)

// Create adds a profile to the registry at path and returns it resolved. The
// registry is read, checked and written under its lock, so that of two callers
// at once neither loses. A *CollisionError says what it would share with whom.
func Create(ctx context.Context, path, home, name string, o CreateOptions) (Profile, error) {
	name, err := ParseName(name)
	if err != nil {
		return Profile{}, err
	}
	var made Profile
	err = edit(ctx, path, home, func(r *Registry) ([]byte, error) {
		if _, err := r.Get(name); err == nil {
			return nil, exitcode.With(exitcode.Failed, fmt.Errorf("profile %s exists already", name))
		}
		e, err := settingsEntry(o.Settings)
		if err != nil {
			return nil, err
		}
		e.Port, e.StateDir, e.Config, e.Workspace = o.Port, o.StateDir, o.ConfigPath, o.Workspace
		if o.PassEnv != nil {
			e.PassEnv = o.PassEnv
		}
		if o.Isolation != "" {
			e.Isolation = o.Isolation
		}
		if o.Allow != nil {
			e.Allow = slices.Clone(o.Allow)
		}
		places := []*string{&e.StateDir, &e.Config, &e.Workspace}
		for i := range e.Allow {
			places = append(places, &e.Allow[i])
		}
		for _, dir := range places {
			if *dir == "" {
				continue
			}
			full, err := expand(*dir, home)
			if err != nil {
				return nil, exitcode.With(exitcode.Usage, err)
			}
			*dir = full
		}
		if o.Drain != 0 {
			if _, err := parseDrain(o.Drain.String()); err != nil {
				return nil, exitcode.With(exitcode.Usage, fmt.Errorf("drain: %w", err))
			}
			e.Drain = o.Drain.String()
		}
		if e.Port == 0 {
			if e.Port, err = r.freeBase(o); err != nil {
				return nil, err
			}
		} else if err := r.checkTaken(e.Port, o.Taken); err != nil {
			return nil, err
		}
		text, err := toml.Marshal(document{Profiles: map[string]entry{name: e}})
		if err != nil {
			return nil, err
		}
		next := append(bytes.Clone(r.raw), separator(r.raw)...)
		next = append(next, bytes.TrimPrefix(text, []byte("[profiles]\n"))...)
		check, err := parse(path, home, next, true)
		if err != nil {
			return nil, exitcode.With(exitcode.Usage, err)
		}
		if made, err = check.Get(name); err == nil && o.Prepare != nil {
			err = o.Prepare(made)
		}
		return next, err
	})
	return made, err
}

func (r *Registry) checkTaken(base int, taken []Block) error {
	for _, b := range taken {
		if b.Overlaps(Block{base}) {
			return exitcode.With(exitcode.Usage, fmt.Errorf("the port block %d-%d overlaps with %d-%d, where the config of another profile has its gateway; choose another --port",
				base, Block{base}.Last(), b.Base, b.Last()))
		}
	}
	return nil
}

// freeBase finds a block that no profile owns and whose first ports can be bound.
func (r *Registry) freeBase(o CreateOptions) (int, error) {
	bindable := o.Bindable
	if bindable == nil {
		bindable = canBind
	}
	for base := firstBase; checkBase(base) == nil; base += baseStep {
		b := Block{base}
		free := r.checkTaken(base, o.Taken) == nil && !b.Contains(r.MetricsPort())
		for _, p := range r.profiles {
			free = free && !p.Block().Overlaps(b)
		}
		for port := base; free && port <= b.Last(); port++ {
			free = bindable(port)
		}
		if free {
			return base, nil
		}
	}
	return 0, exitcode.With(exitcode.Busy, fmt.Errorf("no free block of %d ports from %d on; remove a profile or name a --port", BlockSize, firstBase))
}

// canBind tells whether nobody listens on the port, on either loopback address
// where the machine has both.
func canBind(port int) bool {
	for _, host := range []string{"127.0.0.1", "::1"} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			err = l.Close()
		}
		if err != nil && (host == "127.0.0.1" || errors.Is(err, syscall.EADDRINUSE)) {
			return false
		}
	}
	return true
}

// separator puts a blank line between what is there and what is appended.
func separator(raw []byte) []byte {
	switch {
	case len(raw) == 0:
		return nil
	case bytes.HasSuffix(raw, []byte("\n")):
		return []byte("\n")
	default:
		return []byte("\n\n")
	}
}

// Remove takes a profile out of the registry and returns what it was. Of a
// built-in one it removes what differs from the rules, if anything does. The
// text of other tables stays as it is.
func Remove(ctx context.Context, path, home, name string) (Profile, error) {
	var gone Profile
	err := edit(ctx, path, home, func(r *Registry) ([]byte, error) {
		p, err := r.Get(name)
		if err != nil {
			return nil, err
		}
		if _, listed := r.entries[name]; !listed {
			return nil, exitcode.With(exitcode.Usage, fmt.Errorf("profile %s is built in and has nothing in the registry that could be removed", name))
		}
		gone = p
		start, end := tableRange(r.raw, name)
		next := append(bytes.Clone(r.raw[:start]), r.raw[end:]...)
		check, err := parse(path, home, next, true)
		want := r.without(name)
		if err != nil || !reflect.DeepEqual(check.entries, want) {
			return nil, errors.Join(fmt.Errorf("registry %s: the table of profile %s is not written in a way that can be cut out; remove it by hand", path, name), err)
		}
		return next, nil
	})
	return gone, err
}

func (r *Registry) without(name string) map[string]entry {
	var out map[string]entry
	for n, e := range r.entries {
		if n != name {
			if out == nil {
				out = map[string]entry{}
			}
			out[n] = e
		}
	}
	return out
}

// edit replaces the text of the registry under its lock.
func edit(ctx context.Context, path, home string, change func(*Registry) ([]byte, error)) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	lock, err := lockfile.Acquire(ctx, path+".lock")
	if err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	r, err := Load(path, home)
	if err != nil {
		return err
	}
	next, err := change(r)
	if err != nil {
		return err
	}
	return atomicfile.WriteFile(path, next, 0o600)
}

// header matches the line that opens a table.
var header = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^[ \t]*\[[^\n]*\n?`) })

// tableRange is where the table of the profile lies in raw: its header to the
// next header, less the comments and blank lines right above that. It is empty
// when there is no such table.
func tableRange(raw []byte, name string) (start, end int) {
	own := regexp.MustCompile(`^[ \t]*\[[ \t]*profiles[ \t]*\.[ \t]*["']?` + regexp.QuoteMeta(name) + `["']?[ \t]*\]`)
	all := header().FindAllIndex(raw, -1)
	for i, at := range all {
		if !own.Match(raw[at[0]:at[1]]) {
			continue
		}
		end := len(raw)
		if i+1 < len(all) {
			end = all[i+1][0]
			end = at[1] + len(trimComments(raw[at[1]:end]))
		}
		return at[0], end
	}
	return 0, 0
}

// trimComments cuts the comment and blank lines at the end of text.
func trimComments(text []byte) []byte {
	for {
		body := bytes.TrimSuffix(text, []byte("\n"))
		i := bytes.LastIndexByte(body, '\n') + 1
		if last := bytes.TrimSpace(body[i:]); len(text) == 0 || len(last) > 0 && last[0] != '#' {
			return text
		}
		text = text[:i]
	}
}

// lineOf is the line of key in the table of the profile, of its header when key
// is "", 0 when it is not there.
func lineOf(raw []byte, name, key string) int {
	start, end := tableRange(raw, name)
	if end == 0 {
		return 0
	}
	if key != "" {
		if at := regexp.MustCompile(`(?m)^[ \t]*` + key + `[ \t]*=`).FindIndex(raw[start:end]); at != nil {
			start += at[0]
		}
	}
	return 1 + bytes.Count(raw[:start], []byte("\n"))
}
