// Package programtest owns how tests write a program that they run afterwards, and how
// they stop one in the middle of its work.
package programtest

import (
	"os"
	"syscall"
	"testing"
)

// Write makes an executable file. A system does not run one that somebody has open
// for writing, and what other tests start meanwhile would have it open until that
// runs its own program; so nothing is started while it is written.
func Write(tb testing.TB, path string, text []byte) {
	tb.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, text, 0o755); err != nil {
		tb.Fatal(err)
	}
}
