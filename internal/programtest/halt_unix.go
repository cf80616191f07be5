//go:build unix

package programtest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Halt stops the process and returns when it does nothing any more: the signal alone
// lets a thread go on until it is told, which on a busy machine is long enough for an
// answer. Where there is no /proc it does not wait. SIGCONT lets the process go on.
func Halt(ctx context.Context, pid int) error {
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !halted(pid) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("pid %d goes on after SIGSTOP: %w", pid, ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

// halted tells whether every thread of the process is stopped, or has ended.
func halted(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid)) // the pattern is well formed
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		if _, state, _ := bytes.Cut(text[bytes.LastIndexByte(text, ')')+1:], []byte(" ")); len(state) > 0 && !strings.ContainsRune("TtZX", rune(state[0])) {
			return false
		}
	}
	return true
}
