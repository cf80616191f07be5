//go:build unix

package nodehost

import (
	"context"
	"syscall"
	"time"

	"github.com/coderclaw/coderclaw/internal/prochandle"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// killWait bounds how long killed processes are waited for.
const killWait = 2 * time.Second

// killTree ends a command that runs: its group, all that descends from it, and what
// carries its mark and does not.
func killTree(pid int, mark string) {
	var held []*prochandle.Handle // of all before the first is killed: orphans descend from nobody
	if trees, err := proctable.Trees([]int{pid}); err == nil {
		for _, one := range trees[pid] {
			if start, err := proctable.StartTime(one); err == nil {
				held = hold(held, one, start)
			}
		}
	}
	for _, h := range held {
		_ = h.KillGroup() // it may have ended
		_ = h.Kill()
	}
	ctx, cancel := context.WithTimeout(context.Background(), killWait)
	defer cancel()
	awaitAll(ctx, held)
	killRest(mark)
}

// killGroup waits until a command has ended, which has not been waited for as a
// child, and ends what is left of its group: the group's number is its own till then.
func killGroup(pid int) {
	if start, err := proctable.StartTime(pid); err == nil {
		if h, err := prochandle.Open(pid, start); err == nil { // else it has ended already
			_ = h.Wait(context.Background()) // it ends with its time, at the latest
			_ = h.Close()
		}
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL) // there may be nobody left
	left, err := proctable.InGroup(pid)
	if err != nil {
		return
	}
	var held []*prochandle.Handle
	for one, start := range left {
		held = hold(held, one, start)
	}
	ctx, cancel := context.WithTimeout(context.Background(), killWait)
	defer cancel()
	awaitAll(ctx, held)
}

// awaitAll waits until those that were killed have ended, and lets go of them. A
// signal only begins an end: a process may run on for a moment.
func awaitAll(ctx context.Context, held []*prochandle.Handle) {
	for _, h := range held {
		_ = h.Wait(ctx) // what does not end in time is given up
		_ = h.Close()
	}
}

// hold adds a process to those that are held, if it is still there.
func hold(held []*prochandle.Handle, pid int, start uint64) []*prochandle.Handle {
	h, err := prochandle.Open(pid, start)
	if err != nil {
		return held
	}
	return append(held, h)
}

// killRest ends what is left of a command: every process that carries its mark, as
// far as the system shows it.
func killRest(mark string) {
	ctx, cancel := context.WithTimeout(context.Background(), killWait)
	defer cancel()
	for ctx.Err() == nil {
		found, err := proctable.WithEnv([]string{markName + "=" + mark})
		if err != nil || len(found) == 0 {
			return
		}
		var held []*prochandle.Handle
		for pid, start := range found {
			held = hold(held, pid, start)
		}
		for _, h := range held {
			_ = h.Kill() // it may have ended
		}
		awaitAll(ctx, held) // what does not end is looked at again
	}
}
