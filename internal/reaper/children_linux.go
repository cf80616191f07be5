package reaper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/coderclaw/coderclaw/internal/proctable"
)

// children are the children of this process, zombies included, sorted. The kernel
// lists them by the thread that forked or took them in.
func children() ([]int, error) {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return nil, fmt.Errorf("children: %w", err)
	}
	var out []int
	for _, t := range threads {
		text, err := os.ReadFile("/proc/self/task/" + t.Name() + "/children")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // the thread has ended, and its children are another's
		}
		if err != nil {
			return nil, fmt.Errorf("children: %w", err)
		}
		pids, err := parsePids(string(text))
		if err != nil {
			return nil, fmt.Errorf("children: %w", err)
		}
		out = append(out, pids...)
	}
	return sorted(out), nil
}

// parsePids reads /proc/PID/task/TID/children.
func parsePids(text string) ([]int, error) {
	var out []int
	for f := range strings.FieldsSeq(text) {
		pid, err := strconv.Atoi(f)
		if err != nil || pid <= 0 {
			return nil, fmt.Errorf("unexpected pid %q", f)
		}
		out = append(out, pid)
	}
	return out, nil
}

// childrenByParent are the same, found by asking every process for its parent.
func childrenByParent() ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("children: %w", err)
	}
	var out []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, err := proctable.Get(pid); err == nil && p.PPID == os.Getpid() {
			out = append(out, pid)
		}
	}
	return sorted(out), nil
}

// sorted also drops what was seen under two threads, when one ended meanwhile.
func sorted(pids []int) []int {
	slices.Sort(pids)
	return slices.Compact(pids)
}
