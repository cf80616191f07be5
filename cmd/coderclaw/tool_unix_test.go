//go:build unix

package main

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/coderclaw/coderclaw/internal/handoff"
)

// slowFile keeps a supervised gateway from booting for as long as it exists.
const slowFile = "slow"

// testedMain is coderclaw; one that is a supervised gateway can be made slow, and
// made to start tools, which nothing else in it does yet.
func testedMain() {
	if os.Getenv(handoff.EnvParentFD) == "" {
		main()
		return
	}
	stateDir, err := os.Getwd() // a supervisor starts it there
	if err != nil {
		panic(err)
	}
	awaitRemoval(filepath.Join(stateDir, slowFile))
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR2)
	go func() {
		for range asked {
			cmd := exec.Command("sh", filepath.Join(stateDir, toolFile))
			cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
			if cmd.Start() == nil {
				go func() { _ = cmd.Wait() }() // how it ends is the script's business
			}
		}
	}()
	main()
}

func awaitRemoval(path string) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Lstat(path); err != nil {
			return
		}
		<-tick.C
	}
}
