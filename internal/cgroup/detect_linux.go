package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// host is what Detect asks of the system. The zero value is no host; see thisHost.
type host struct {
	root     string // before every path; "" for the real one
	uid      int
	marked   func(dir string) bool         // a service manager noted on dir that it handed it over
	owner    func(dir string) (int, error) // uid
	writable func(path string) error
	told     func(group string) bool // see Detect; nil when nobody can be asked
}

func thisHost() host {
	return host{uid: os.Geteuid(), marked: marked, owner: owner, writable: func(p string) error { return unix.Access(p, unix.W_OK) }}
}

// marked looks for the note that systemd leaves for Delegate=yes. Only a
// privileged process can see a trusted attribute; both are 1 byte.
func marked(dir string) bool {
	for _, name := range []string{"user.delegate", "trusted.delegate"} {
		var value [8]byte
		if n, err := unix.Lgetxattr(dir, name, value[:]); err == nil && string(value[:n]) == "1" {
			return true
		}
	}
	return false
}

func owner(dir string) (int, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return 0, err
	}
	return int(info.Sys().(*syscall.Stat_t).Uid), nil
}

// Detect finds the group that was handed to this process: the one it is in, or
// the one above when it has entered its leaf already. A group counts as handed
// over when
//
//   - the service manager has marked it so (systemd's Delegate=yes), or
//   - told says so, since a user's own systemd sets no mark (not in version 252, with
//     which this was tried) and has to be asked, or
//   - an ordinary user owns it, but not the group above it, which is how an
//     administrator hands one over, or
//   - root is in a container whose whole tree this is, with its first process.
//
// Any other group is not touched, and the error says why. Detect changes nothing.
//
// told is given a group as /proc/PID/cgroup names it, and is to return true only
// when a unit whose ControlGroup is exactly that has Delegate=yes. It is called
// only when nothing else decides, and may be nil.
func Detect(told func(group string) bool) (*Tree, error) {
	h := thisHost()
	h.told = told
	return h.detect()
}

func (h host) detect() (*Tree, error) {
	text, err := os.ReadFile(h.root + "/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("own control group: %w", err)
	}
	own, err := parseOwn(string(text))
	if err != nil {
		return nil, err
	}
	text, err = os.ReadFile(h.root + "/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("mounts: %w", err)
	}
	m, rel, err := locate(own, parseMounts(string(text)))
	if err != nil {
		return nil, err
	}
	if path.Base(rel) == supervisorLeaf { // entered before, or put there by systemd's DelegateSubgroup=
		if err := h.handedOver(m, path.Dir(own), path.Dir(rel)); err == nil {
			return h.tree(m, path.Dir(rel))
		}
	}
	if err := h.handedOver(m, own, rel); err != nil {
		return nil, fmt.Errorf("control group %s is not used: %w", own, err)
	}
	return h.tree(m, rel)
}

// locate picks the mount through which own can be reached, a writable one if there is one.
func locate(own string, mounts []mount) (m mount, rel string, err error) {
	found := false
	for _, c := range mounts {
		if r, ok := below(own, c.root); ok && (!found || m.readOnly && !c.readOnly) {
			m, rel, found = c, r, true
		}
	}
	switch {
	case len(mounts) == 0:
		return mount{}, "", errors.New("no tree of control groups of version 2 is mounted")
	case !found:
		return mount{}, "", fmt.Errorf("control group %s is below no mounted tree", own)
	case m.readOnly:
		return mount{}, "", fmt.Errorf("the tree of control groups at %s is mounted read-only", m.point)
	}
	return m, rel, nil
}

func (h host) dir(m mount, rel string) string { return filepath.Join(h.root, m.point, rel) }

// handedOver returns nil when the group, which is at rel in the mount, is ours to divide.
func (h host) handedOver(m mount, group, rel string) error {
	dir := h.dir(m, rel)
	uid, err := h.owner(dir)
	if err != nil {
		return err
	}
	switch {
	case h.marked(dir):
	case h.uid != 0 && uid != h.uid:
		return errors.New("it belongs to another user; a service gets one of its own with Delegate=yes")
	case h.told != nil && h.told(group):
	case h.uid != 0:
		if above, err := h.owner(h.dir(m, path.Dir(rel))); err == nil && rel != "/" && above == h.uid {
			return errors.New("it is the service manager's; a service gets one of its own with Delegate=yes")
		}
	default:
		if err := h.container(m, rel); err != nil {
			return err
		}
	}
	for _, f := range []string{"", "/cgroup.procs"} {
		if err := h.writable(dir + f); err != nil {
			return fmt.Errorf("it cannot be written to: %w", err)
		}
	}
	return nil
}

// container returns nil when the group at rel is the top of a container, and the
// container's first process is in it, so that nobody else there divides it.
func (h host) container(m mount, rel string) error {
	const needs = "; a service gets one of its own with Delegate=yes"
	if rel != "/" {
		return errors.New("nobody marked it as handed over" + needs)
	}
	if _, err := os.Stat(h.dir(m, "cgroup.events")); err != nil { // the top of the machine has no such file
		return errors.New("it is the top of the whole machine's tree" + needs)
	}
	text, err := os.ReadFile(h.root + "/proc/1/cgroup")
	if err != nil {
		return err
	}
	first, err := parseOwn(string(text))
	if err != nil {
		return err
	}
	if r, ok := below(first, m.root); !ok || strings.TrimPrefix(r, "/"+supervisorLeaf) != "" && r != "/" {
		return fmt.Errorf("the container's first process is elsewhere, in %s, and manages it%s", first, needs)
	}
	return nil
}

func (h host) tree(m mount, rel string) (*Tree, error) { return Under(h.dir(m, rel)) }
