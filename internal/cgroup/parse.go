package cgroup

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// parseOwn finds the group of version 2 in the text of /proc/PID/cgroup: the
// line of hierarchy 0, with no controllers named. The path begins with a slash
// and is relative to the reader's cgroup namespace.
func parseOwn(text string) (string, error) {
	for line := range strings.Lines(text) {
		own, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::")
		if !ok {
			continue
		}
		if !strings.HasPrefix(own, "/") {
			return "", fmt.Errorf("unexpected /proc/PID/cgroup line %q", line)
		}
		if strings.HasSuffix(own, " (deleted)") {
			return "", fmt.Errorf("the process's own control group %s has been removed", strings.TrimSuffix(own, " (deleted)"))
		}
		return own, nil
	}
	return "", errors.New("the process is in no control group of version 2")
}

// mount is one place where a version 2 tree can be seen.
type mount struct {
	root     string // the group that is visible at point
	point    string
	readOnly bool
}

// parseMounts reads the cgroup2 lines of proc_pid_mountinfo(5).
func parseMounts(text string) []mount {
	var out []mount
	for line := range strings.Lines(text) {
		before, after, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		f := strings.Fields(before)
		if !ok || !strings.HasPrefix(after, "cgroup2 ") || len(f) < 6 {
			continue
		}
		out = append(out, mount{
			root: unescape(f[3]), point: unescape(f[4]), readOnly: slices.Contains(strings.Split(f[5], ","), "ro"),
		})
	}
	return out
}

// unescape undoes the octal \ooo that mountinfo writes for blanks and backslashes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// below is own relative to root, beginning with a slash; false when it is not there.
func below(own, root string) (string, bool) {
	if strings.Contains(own+"/", "/../") || strings.Contains(root+"/", "/../") {
		return "", false // outside the namespace: its name cannot be known
	}
	if root == "/" {
		return path.Clean(own), true
	}
	rest, ok := strings.CutPrefix(own, root)
	if !ok || rest != "" && rest[0] != '/' {
		return "", false
	}
	return path.Clean("/" + rest), true
}

// parseFlat reads the "key number" lines of a file such as memory.events or
// cgroup.events.
func parseFlat(text string) (map[string]uint64, error) {
	out := map[string]uint64{}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, err := strconv.ParseUint(value, 10, 64)
		if !ok || key == "" || err != nil {
			return nil, fmt.Errorf("unexpected line %q", line)
		}
		out[key] = n
	}
	return out, nil
}

// parsePids reads cgroup.procs. A process of another PID namespace shows as 0
// there and is left out, as nothing can be done to it from here.
func parsePids(text string) ([]int, error) {
	var out []int
	for f := range strings.FieldsSeq(text) {
		pid, err := strconv.Atoi(f)
		if err != nil || pid < 0 {
			return nil, fmt.Errorf("unexpected pid %q", f)
		}
		if pid > 0 {
			out = append(out, pid)
		}
	}
	return out, nil
}
