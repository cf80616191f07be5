package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Tree is a group that was handed to this process, to be divided. Enter comes
// first and once; after it the other methods are safe for concurrent use.
type Tree struct {
	dir  string
	lock *os.File // the group's directory, locked, so that two supervisors never share it
}

// Under is the tree at dir, of which the caller knows that it is its own.
func Under(dir string) (*Tree, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("control group: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("control group %s is no directory", dir)
	}
	return &Tree{dir: dir}, nil
}

// Adopt is the tree at dir that an earlier program of this process has entered and
// held through lock, see Lock.
func Adopt(dir string, lock *os.File) *Tree { return &Tree{dir: dir, lock: lock} }

// Dir is the directory of the group.
func (t *Tree) Dir() string { return t.dir }

// Lock is the open file by which this process holds the tree, nil before Enter.
// Whoever has it open holds the tree: it can be passed on to a program that takes
// the place of this one.
func (t *Tree) Lock() *os.File { return t.lock }

// Enter takes the tree for this process alone, moves this process into a leaf of
// its own, because a group with leaves that are limited may hold no process
// itself, and turns the controllers on for all leaves. Controllers that cannot be
// had are returned and are no error. Processes that this one has started before
// stay where they are and may keep controllers off.
func (t *Tree) Enter() ([]Missing, error) {
	if err := t.takeLock(); err != nil {
		return nil, err
	}
	if err := t.move(); err != nil {
		return nil, errors.Join(fmt.Errorf("enter control group %s: %w", t.dir, err), t.Close())
	}
	return t.enable(), nil
}

// Close gives the tree back. Leaves stay as they are.
func (t *Tree) Close() error {
	if t.lock == nil {
		return nil
	}
	err := t.lock.Close()
	t.lock = nil
	return err
}

func (t *Tree) takeLock() error {
	f, err := os.Open(t.dir)
	if err != nil {
		return fmt.Errorf("control group: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errors.New("another supervisor runs in it")
	}
	if err != nil {
		return errors.Join(fmt.Errorf("control group %s: %w", t.dir, err), f.Close())
	}
	t.lock = f
	return nil
}

func (t *Tree) move() error {
	leaf := filepath.Join(t.dir, supervisorLeaf)
	if err := os.Mkdir(leaf, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	pids, err := readPids(leaf)
	if err != nil {
		return err
	}
	if slices.Contains(pids, os.Getpid()) {
		return nil
	}
	return write(filepath.Join(leaf, "cgroup.procs"), "0") // 0 is the writer
}

// enable turns on, for all leaves, what can be turned on.
func (t *Tree) enable() []Missing {
	have := words(filepath.Join(t.dir, "cgroup.controllers"))
	control := filepath.Join(t.dir, "cgroup.subtree_control")
	on := words(control)
	var missing []Missing
	for _, c := range wanted() {
		if slices.Contains(on, c) {
			continue
		}
		if !slices.Contains(have, c) {
			missing = append(missing, Missing{c, "the system has not made it available in " + t.dir})
			continue
		}
		err := write(control, "+"+c)
		switch {
		case errors.Is(err, unix.EBUSY):
			missing = append(missing, Missing{c, t.dir + " holds other processes besides the supervisor"})
		case err != nil:
			missing = append(missing, Missing{c, err.Error()})
		}
	}
	return missing
}

// Leaf makes the leaf of a profile, empty and with its counters at zero. What an
// earlier one of that name still holds is killed first; ctx bounds the wait for it.
func (t *Tree) Leaf(ctx context.Context, name string) (*Leaf, error) {
	if !validName(name) {
		return nil, fmt.Errorf("%q cannot name a control group", name)
	}
	l := &Leaf{dir: filepath.Join(t.dir, leafPrefix+name)}
	err := os.Mkdir(l.dir, 0o755)
	if errors.Is(err, fs.ErrExist) {
		if err := l.End(ctx); err != nil {
			return nil, err
		}
		err = os.Mkdir(l.dir, 0o755)
	}
	if err != nil {
		return nil, fmt.Errorf("control group: %w", err)
	}
	return l, nil
}

// Leaves are those that exist, also those that an earlier supervisor made here.
func (t *Tree) Leaves() ([]*Leaf, error) {
	entries, err := os.ReadDir(t.dir)
	if err != nil {
		return nil, fmt.Errorf("control group: %w", err)
	}
	var out []*Leaf
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), leafPrefix) {
			out = append(out, &Leaf{dir: filepath.Join(t.dir, e.Name())})
		}
	}
	return out, nil
}

// words are those of a file; none if it cannot be read.
func words(path string) []string {
	text, _ := os.ReadFile(path)
	return strings.Fields(string(text))
}

// write writes to a file of the kernel's, which is never made anew.
func write(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
