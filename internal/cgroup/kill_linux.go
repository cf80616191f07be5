package cgroup

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// Kill sends SIGKILL to every process in the leaf and below it, also to those
// that are being forked meanwhile. It does not wait for their end. A leaf that
// does not exist is no error.
func (l *Leaf) Kill() error {
	err := write(filepath.Join(l.dir, "cgroup.kill"), "1")
	if err == nil {
		return nil
	}
	if !gone(err) {
		return fmt.Errorf("kill control group: %w", err)
	}
	return l.killEach() // before Linux 5.14, or the leaf has gone
}

// killEach does without cgroup.kill. A process with SIGKILL pending forks no
// more, so that a round that finds only such processes is the last.
func (l *Leaf) killEach() error {
	freezer := filepath.Join(l.dir, "cgroup.freeze")
	_ = write(freezer, "1")                    // it only spares rounds
	defer func() { _ = write(freezer, "0") }() // the dead do not mind
	sent := map[int]bool{}
	for {
		pids, err := l.Pids()
		if err != nil {
			return fmt.Errorf("kill control group: %w", err)
		}
		news := slices.DeleteFunc(pids, func(pid int) bool { return sent[pid] })
		if len(news) == 0 {
			return nil
		}
		if err := l.killPids(news); err != nil {
			return fmt.Errorf("kill control group %s: %w", l.dir, err)
		}
		for _, pid := range news {
			sent[pid] = true
		}
	}
}

// killPids takes hold of each process first and then looks whether it is still
// in the leaf: a number that was read may have become somebody else's.
func (l *Leaf) killPids(pids []int) error {
	held := map[int]int{} // pid → pidfd
	defer func() {
		for _, fd := range held {
			_ = unix.Close(fd)
		}
	}()
	for _, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if errors.Is(err, unix.ESRCH) {
			continue
		}
		if err != nil {
			return fmt.Errorf("pid %d: %w", pid, err)
		}
		held[pid] = fd
	}
	still, err := l.Pids()
	if err != nil {
		return err
	}
	for pid, fd := range held {
		if !slices.Contains(still, pid) {
			continue
		}
		if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("pid %d: %w", pid, err)
		}
	}
	return nil
}
