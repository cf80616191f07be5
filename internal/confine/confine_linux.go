package confine

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/landlock-lsm/go-landlock/landlock"
	landsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

const (
	// openFiles is how many files the process and its tools may have open, if the hard limit lets them.
	openFiles = 65536
	// oomScore is what is added to the score, of 1000, by which the kernel chooses whom to kill when memory runs out.
	oomScore    = 200
	oomScoreMax = 1000
)

// Apply confines this process, on all its threads, and everything that it starts
// from now on. Files that are open already stay open. An error means that the
// process is not confined as it is to be, and should end.
func Apply(p Policy) (Report, error) {
	r := Report{Mode: p.Mode}
	switch p.Mode {
	case Standard, Strict, Off:
	default:
		return r, fmt.Errorf("isolation mode %q is unknown; use %s, %s or %s", p.Mode, Standard, Strict, Off)
	}
	limit(&r)
	if p.Temp != "" {
		if err := os.MkdirAll(p.Temp, 0o700); err != nil {
			r.missing("temporary directory: " + err.Error())
		}
	}
	if p.Mode == Off {
		return r, nil
	}
	if err := restrict(p, &r); err != nil {
		return r, fmt.Errorf("isolation by the kernel: %w", err)
	}
	return r, nil
}

// limit does what every mode does. None of it is worth not starting for.
func limit(r *Report) {
	unix.Umask(0o077)
	r.applied("umask 077")
	step := func(what string, err error) {
		if err != nil {
			r.missing(what + ": " + err.Error())
			return
		}
		r.applied(what)
	}
	step("no core dumps", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}))
	var files unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &files)
	files.Cur = min(files.Max, openFiles)
	if err == nil {
		err = unix.Setrlimit(unix.RLIMIT_NOFILE, &files)
	}
	step("open files "+strconv.FormatUint(files.Cur, 10), err)
	step(fmt.Sprintf("oom score +%d", oomScore), raiseOOMScore("/proc/self/oom_score_adj"))
}

// raiseOOMScore makes the kernel end this process and its tools before their supervisor.
func raiseOOMScore(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	score, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return os.WriteFile(file, []byte(strconv.Itoa(min(score+oomScore, oomScoreMax))), 0)
}

// restrict puts the rules in force.
func restrict(p Policy, r *Report) error {
	abi, why := Landlock()
	if abi == 0 {
		r.missing("landlock: " + why)
		if err := landsys.AllThreadsPrctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("no_new_privs: %w", err)
		}
		r.applied("no_new_privs")
		return nil
	}
	files := &disk{}
	top, notes := marks(p, os.Geteuid() == 0, files)
	c := composer{fs: files, notes: notes}
	c.compose("/", top, nothing, nothing)
	if exe, err := os.Executable(); err != nil {
		c.notes = append(c.notes, "own executable: "+err.Error())
	} else if _, exists := files.isDir(exe); exists {
		c.rules = append(c.rules, rule{path: exe, rights: read})
	}
	// Version 5 is the last whose rules are about files alone. The scopes of version 6 would part the gateway
	// from its own tools: before version 8 each thread has a domain of its own, and may not signal one that
	// another thread has started.
	config := landlock.V5.BestEffort()
	err := config.RestrictPaths(landlockRules(c.rules, abi)...)
	if err != nil {
		// Something has changed since it was listed, or is odd; without it, the rest is still worth having.
		c.rules = openable(c.rules)
		err = config.RestrictPaths(landlockRules(c.rules, abi)...)
	}
	if err != nil {
		return err
	}
	r.Landlock = abi
	r.applied("no_new_privs")
	r.applied(fmt.Sprintf("landlock %d, %d rules", abi, len(c.rules)))
	if abi < 2 {
		r.missing("moving files between directories: this kernel's Landlock refuses all of it; it is allowed from Linux 5.19 on")
	}
	if abi < 3 {
		r.missing("truncating: this kernel's Landlock lets files outside be emptied; it guards them from Linux 6.2 on")
	}
	for _, note := range c.notes {
		r.missing(note)
	}
	return nil
}

// Landlock is the version of the interface that the kernel has, or 0 and the reason.
func Landlock() (abi int, why string) {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch {
	case errno == 0:
		return int(n), ""
	case errors.Is(errno, unix.EOPNOTSUPP):
		return 0, "it is off; add landlock to lsm= on the kernel's command line"
	case errors.Is(errno, unix.ENOSYS):
		return 0, "this kernel has none; Linux 5.13 or later can"
	}
	return 0, errno.Error()
}

// landlockRules are the rules in the words of the library, one for each kind.
func landlockRules(rules []rule, abi int) []landlock.Rule {
	paths := map[landlock.AccessFSSet][]string{}
	for _, r := range rules {
		access := access(r, abi)
		paths[access] = append(paths[access], r.path)
	}
	var out []landlock.Rule
	for access, paths := range paths {
		out = append(out, landlock.PathAccess(access, paths...).IgnoreIfMissing())
	}
	return out
}

// access is what the rights mean to the kernel. Nobody may make device files:
// with one, root would read the disk.
func access(r rule, abi int) landlock.AccessFSSet {
	a := landlock.AccessFSSet(unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE)
	if r.rights&write != 0 {
		a |= unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	}
	if !r.dir {
		return a
	}
	a |= unix.LANDLOCK_ACCESS_FS_READ_DIR
	if r.rights&write == 0 {
		return a
	}
	a |= unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_DIR |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	if abi >= 2 { // the library gives up on everything when asked for what version 1 lacks
		a |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	return a
}

// openable leaves out the rules whose path cannot be opened, or is of another kind than it was.
func openable(rules []rule) []rule {
	var out []rule
	for _, r := range rules {
		fd, err := unix.Open(r.path, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err == nil && (st.Mode&syscall.S_IFMT == syscall.S_IFDIR) == r.dir {
			out = append(out, r)
		}
		_ = unix.Close(fd) // a descriptor of this kind holds nothing that could be lost
	}
	return out
}
