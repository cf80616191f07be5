// Package proctable owns what can be seen of other processes: who a pid is, who
// listens on a port, who descends from whom. It only looks; it signals nobody.
package proctable

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// Process is one process at one moment. Fields that may not be read are zero.
type Process struct {
	PID, PPID  int
	UID        int
	User       string // name of UID, or its digits
	StartTime  uint64 // in the system's own unit; with PID it names a process for good until a reboot
	Exe        string
	ExeDeleted bool // the file that it runs is no longer at Exe
	Argv       []string
	Unit       string // innermost systemd unit that it runs in, "" if none or unknown
}

// Listener is one listening TCP socket.
type Listener struct {
	Addr netip.AddrPort
	UID  int // of whoever made the socket
	PID  int // of a process that has it open; 0 when that may not be seen
}

// Alive tells whether the process that had this start time is still there.
func Alive(pid int, startTime uint64) bool {
	got, err := StartTime(pid)
	return err == nil && got == startTime
}

// maxDepth bounds the walk to the ancestors: no real tree is that deep.
const maxDepth = 1000

// IsDescendant tells whether pid is ancestor, or descends from it.
func IsDescendant(pid, ancestor int) bool {
	for range maxDepth {
		if pid == ancestor {
			return true
		}
		if pid <= 1 {
			return false
		}
		var err error
		if pid, err = parent(pid); err != nil {
			return false
		}
	}
	return false
}

// Ancestors are pid and all that it descends from, as far as they can be seen;
// none when pid has ended.
func Ancestors(pid int) []int {
	var out []int
	for range maxDepth {
		above, err := parent(pid)
		if err != nil {
			break
		}
		out = append(out, pid)
		if pid <= 1 {
			break
		}
		pid = above
	}
	return out
}

// UserName is the login name of uid, or its digits.
func UserName(uid int) string {
	id := strconv.Itoa(uid)
	u, err := user.LookupId(id)
	if err != nil {
		return id
	}
	return u.Username
}

// Describe names the owner of a listener to people, for example
// "pid 4711 nginx, user www, unit nginx.service".
func Describe(l Listener) string {
	name := UserName(l.UID)
	if l.PID == 0 {
		return "a process of user " + name
	}
	p, err := Get(l.PID)
	if err != nil {
		return fmt.Sprintf("pid %d, user %s", l.PID, name)
	}
	text := fmt.Sprintf("pid %d", p.PID)
	switch {
	case p.Exe != "":
		text += " " + filepath.Base(p.Exe)
	case len(p.Argv) > 0:
		text += " " + filepath.Base(p.Argv[0])
	}
	text += ", user " + p.User
	if p.Unit != "" {
		text += ", unit " + p.Unit
	}
	return text
}

// Executable is an absolute path at which the program that runs now can be
// started again. A symlink by which it was started is kept, so that whatever an
// update points it at is started next time. argv0 is os.Args[0], lookPath is exec.LookPath.
func Executable(argv0 string, lookPath func(string) (string, error)) (string, error) {
	real, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("the path of this program: %w", err)
	}
	self, err := os.Stat(real)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the program file %s was deleted or replaced while it runs; start the new one", real)
	}
	if err != nil {
		return "", fmt.Errorf("the path of this program: %w", err)
	}
	typed, err := lookPath(argv0)
	if err != nil {
		return real, nil
	}
	if typed, err = filepath.Abs(typed); err != nil {
		return real, nil
	}
	if info, err := os.Stat(typed); err != nil || !os.SameFile(info, self) {
		return real, nil
	}
	return typed, nil
}
