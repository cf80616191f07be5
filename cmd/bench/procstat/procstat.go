// Package procstat owns what the benchmarks read of a running process: what it
// weighs, how many threads it has, and what it does while it
// should do nothing. It reads /proc and changes nothing.
package procstat

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Memory reads the proportional and the private dirty size of a process, in MB.
func Memory(pid int) (pss, private float64, err error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		fields := strings.Fields(sc.Text())
		if len(fields) < 2 {
			continue
		}
		kb, _ := strconv.ParseFloat(fields[1], 64)
		switch fields[0] {
		case "Pss:":
			pss = kb / 1000
		case "Private_Dirty:": // clean pages are those of the program file, which all gateways share
			private += kb / 1000
		}
	}
	return pss, private, sc.Err()
}

// Activity is what a process has done since it began.
type Activity struct {
	Threads  int           // that live now
	CPU      time.Duration // on a processor
	Switches int           // of context, by its own will or not, of the threads that live
}

// Read sums up the threads of a process.
func Read(pid int) (Activity, error) {
	var a Activity
	dir := fmt.Sprintf("/proc/%d/task", pid)
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return a, err
	}
	for _, t := range tasks {
		task := filepath.Join(dir, t.Name())
		cpu, err := onCPU(filepath.Join(task, "schedstat"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // the thread has ended meanwhile
		}
		if err != nil {
			return a, err
		}
		n, err := switches(filepath.Join(task, "status"))
		if err != nil {
			return a, err
		}
		a.Threads++
		a.CPU += cpu
		a.Switches += n
	}
	return a, nil
}

// onCPU reads the first number of a schedstat file, in ns.
func onCPU(path string) (time.Duration, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	first, _, _ := bytes.Cut(raw, []byte(" "))
	ns, err := strconv.ParseInt(string(first), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return time.Duration(ns), nil
}

func switches(path string) (int, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	sum := 0
	for line := range strings.Lines(string(raw)) {
		key, value, _ := strings.Cut(line, ":")
		if key == "voluntary_ctxt_switches" || key == "nonvoluntary_ctxt_switches" {
			n, err := strconv.Atoi(strings.TrimSpace(value))
			if err != nil {
				return 0, fmt.Errorf("%s: %w", path, err)
			}
			sum += n
		}
	}
	return sum, nil
}
