//go:build unix

package programtest_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/coderclaw/coderclaw/internal/programtest"
)

// TestWrite: programs run that are written while others are started.
func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for k := range 50 {
				program := filepath.Join(dir, fmt.Sprintf("%d-%d", i, k))
				programtest.Write(t, program, []byte("#!/bin/sh\nexit 0\n"))
				if err := exec.CommandContext(t.Context(), program).Run(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
