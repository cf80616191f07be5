package proctable

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
)

// Get reads the process from /proc. The error is fs.ErrNotExist when there is none.
func Get(pid int) (Process, error) {
	st, err := readStat(pid)
	if err != nil {
		return Process{}, err
	}
	p := Process{PID: pid, PPID: st.ppid, StartTime: st.start, UID: -1}
	dir := "/proc/" + strconv.Itoa(pid)
	if info, err := os.Stat(dir); err == nil {
		p.UID = int(info.Sys().(*syscall.Stat_t).Uid)
		p.User = UserName(p.UID)
	}
	p.Exe, p.ExeDeleted = program(pid)
	if raw, err := os.ReadFile(dir + "/cmdline"); err == nil && len(raw) > 0 {
		p.Argv = strings.Split(strings.TrimSuffix(string(raw), "\x00"), "\x00")
	}
	if raw, err := os.ReadFile(dir + "/cgroup"); err == nil {
		p.Unit = unitOf(string(raw))
	}
	return p, nil
}

func program(pid int) (path string, deleted bool) {
	path, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	if err != nil {
		return "", false
	}
	return strings.CutSuffix(path, " (deleted)")
}

// Program is the Exe of Get alone; "" when the process has ended or may not be looked at.
func Program(pid int) string {
	path, _ := program(pid)
	return path
}

// StartTime is field 22 of /proc/PID/stat: clock ticks since boot. A zombie has
// none. A process whose first thread alone has ended is none: that is how one looks
// while another thread replaces its program.
func StartTime(pid int) (uint64, error) {
	st, err := readStat(pid)
	if err == nil && st.state == 'Z' && st.threads <= 1 {
		err = fmt.Errorf("pid %d: %w", pid, fs.ErrNotExist)
	}
	return st.start, err
}

func parent(pid int) (int, error) {
	st, err := readStat(pid)
	return st.ppid, err
}

type stat struct {
	state   byte
	ppid    int
	start   uint64
	cpu     uint64 // user and system time in clock ticks, of the process alone
	threads int
}

func readStat(pid int) (stat, error) {
	var text [maxStat]byte
	n, err := readInto(text[:], "/proc/"+strconv.Itoa(pid)+"/stat")
	if err != nil {
		return stat{}, gone(pid, err)
	}
	return parseStat(text[:n])
}

// maxStat bounds /proc/PID/stat: 52 numbers and a name of at most 64 bytes.
const maxStat = 2048

// readInto reads what fits of a file of /proc, which gives it at once. Unlike
// [os.ReadFile] it leaves no garbage, for it is asked about each start.
func readInto(buf []byte, path string) (int, error) {
	again := func(do func() (int, error)) (int, error) {
		for {
			if n, err := do(); err != syscall.EINTR {
				return n, err
			}
		}
	}
	fd, err := again(func() (int, error) { return syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0) })
	if err != nil {
		return 0, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	n, err := again(func() (int, error) { return syscall.Read(fd, buf) })
	_ = syscall.Close(fd) // nothing was written
	if err != nil {
		return 0, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	return n, nil
}

var space = []byte{' '}

// parseStat reads what we need of proc_pid_stat(5). The name in field 2 may hold
// anything, so fields are counted from its closing parenthesis.
func parseStat(raw []byte) (stat, error) {
	bad := func() (stat, error) { return stat{}, fmt.Errorf("unexpected /proc/PID/stat: %q", string(raw)) }
	i := bytes.LastIndexByte(raw, ')')
	if i < 0 {
		return bad()
	}
	var f [20][]byte
	have, rest := 0, bytes.TrimSpace(raw[i+1:])
	for ; have < len(f); have++ {
		if rest = bytes.TrimLeft(rest, " "); len(rest) == 0 {
			break
		}
		f[have], rest, _ = bytes.Cut(rest, space)
	}
	if have < len(f) || len(f[0]) != 1 {
		return bad()
	}
	ppid, err := strconv.Atoi(string(f[1])) // field 4
	if err != nil {
		return bad()
	}
	var n [4]uint64
	for i, field := range []int{22, 14, 15, 20} { // start, user time, system time, threads
		if n[i], err = strconv.ParseUint(string(f[field-3]), 10, 64); err != nil {
			return bad()
		}
	}
	return stat{f[0][0], ppid, n[0], n[1] + n[2], int(n[3])}, nil
}

// unitOf finds the innermost service in the text of /proc/PID/cgroup, in the
// unified hierarchy or in systemd's own one of older layouts.
func unitOf(text string) string {
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 || fields[1] != "" && fields[1] != "name=systemd" {
			continue
		}
		for p := fields[2]; len(p) > 1; p = path.Dir(p) {
			if base := path.Base(p); strings.HasSuffix(base, ".service") && !strings.HasPrefix(base, "user@") {
				return base
			}
		}
	}
	return ""
}
