package proctable

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of times in /proc/PID/stat: the kernel shows user space 100 a
// second on every architecture that Go has.
const tick = time.Second / 100

// Usage is what the process has used: CPU time since its start, in steps of 10 ms
// and its children not counted, resident memory, and its threads. The error is
// fs.ErrNotExist when there is no such process.
func Usage(pid int) (cpu time.Duration, rssBytes int64, threads int, err error) {
	st, err := readStat(pid)
	if err != nil {
		return 0, 0, 0, err
	}
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0, 0, 0, gone(pid, err)
	}
	f := bytes.Fields(raw)
	if len(f) < 2 {
		return 0, 0, 0, fmt.Errorf("unexpected /proc/PID/statm: %q", raw)
	}
	pages, err := strconv.ParseInt(string(f[1]), 10, 64)
	if err != nil {
		return 0, 0, 0, fmt.Errorf("unexpected /proc/PID/statm: %q", raw)
	}
	return time.Duration(st.cpu) * tick, pages * int64(os.Getpagesize()), st.threads, nil
}

// Age is how long ago the process began.
func Age(pid int) (time.Duration, error) {
	st, err := readStat(pid)
	if err != nil {
		return 0, err
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0, err
	}
	return max(time.Duration(now.Nano())-time.Duration(st.start)*tick, 0), nil
}

// PSS is the resident memory of the process with what it shares divided among those
// that share it. Only the process's own user, and root, may know.
func PSS(pid int) (int64, error) {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return 0, gone(pid, err)
	}
	return parsePSS(raw)
}

func parsePSS(raw []byte) (int64, error) {
	for line := range bytes.Lines(raw) {
		f := bytes.Fields(line)
		if len(f) != 3 || string(f[0]) != "Pss:" || string(f[2]) != "kB" {
			continue
		}
		kB, err := strconv.ParseUint(string(f[1]), 10, 50) // times 1024 it fits
		if err != nil {
			return 0, fmt.Errorf("unexpected line %q", line)
		}
		return int64(kB) << 10, nil
	}
	return 0, errors.New("no Pss in smaps_rollup")
}

// gone makes an error that means that the process has ended fs.ErrNotExist.
func gone(pid int, err error) error {
	if errors.Is(err, syscall.ESRCH) || errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("pid %d: %w", pid, fs.ErrNotExist)
	}
	return err
}

// parents maps every pid to its parent's.
func parents() (map[int]int, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	names, err := dir.Readdirnames(-1)
	if err := errors.Join(err, dir.Close()); err != nil {
		return nil, err
	}
	out := make(map[int]int, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if st, err := readStat(pid); err == nil { // else it has ended meanwhile
			out[pid] = st.ppid
		}
	}
	return out, nil
}

// Established counts the established TCP connections at each of the local ports, in
// one pass over the tables.
func Established(ports []int) (map[int]int, error) {
	counts := make(map[int]int, len(ports))
	for _, p := range ports {
		counts[p] = 0
	}
	if err := eachTable(func(table io.Reader) error { return countEstablished(table, counts) }); err != nil {
		return nil, err
	}
	return counts, nil
}

// countEstablished adds to counts, which has the ports that are wanted, what a
// table of proc_pid_net(5) shows.
func countEstablished(r io.Reader, counts map[int]int) error {
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		_, rest := field(sc.Bytes())
		local, rest := field(rest)
		_, rest = field(rest)
		state, _ := field(rest)
		i := bytes.LastIndexByte(local, ':')
		if string(state) != stateEstablished || i < 0 {
			continue
		}
		port, err := strconv.ParseUint(string(local[i+1:]), 16, 16)
		if err != nil {
			return fmt.Errorf("unexpected line %q", sc.Text())
		}
		if n, wanted := counts[int(port)]; wanted {
			counts[int(port)] = n + 1
		}
	}
	return sc.Err()
}

// field cuts the first word off a line.
func field(line []byte) (word, rest []byte) {
	line = bytes.TrimLeft(line, " ")
	if i := bytes.IndexByte(line, ' '); i >= 0 {
		return line[:i], line[i:]
	}
	return line, nil
}
