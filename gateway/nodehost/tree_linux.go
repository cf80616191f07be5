package nodehost

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// attributes give a command a process group of its own, and end it with the host.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killTree ends a command that runs with all that it started.
func killTree(pid int, mark string) {
	_ = syscall.Kill(-pid, syscall.SIGKILL) // it may have ended
	killRest(mark)
}

// killWait bounds how long killed processes are looked for.
const killWait = 2 * time.Second

// killRest ends what is left of a command: every process that carries its mark.
func killRest(mark string) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(killWait); time.Now().Before(end); <-tick.C {
		pids := marked(mark)
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		}
	}
}

// marked lists the processes of this user whose environment has the mark. One that is
// dead and not reaped has none.
func marked(mark string) []int {
	want := []byte(markName + "=" + mark)
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil
	}
	var pids []int
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			continue // another user's, or gone
		}
		for entry := range bytes.SplitSeq(raw, []byte{0}) {
			if bytes.Equal(entry, want) {
				if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
					pids = append(pids, pid)
				}
				break
			}
		}
	}
	return pids
}
