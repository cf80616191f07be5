package supervisor

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

func (s *Supervisor) notify(state string) {
	if s.o.Notify == nil {
		return
	}
	if err := s.o.Notify(state); err != nil {
		s.o.Log.Warn("the service manager cannot be told", "state", state, "err", err)
	}
}

// reloading tells the service manager that READY=1 comes again. The time is that
// of the clock and in the unit of sd_notify(3).
func reloading() string {
	return fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonic().Microseconds())
}

// notifyReady tells the service manager that the control socket answers, and
// returns the loop that goes on telling it, and whoever asked, of changes.
func (s *Supervisor) notifyReady() func(context.Context) {
	last := summary(s.status().Instances)
	s.notify("READY=1\nSTATUS=" + last)
	return func(ctx context.Context) {
		changes := make(chan control.Status)
		done := make(chan struct{})
		go func() {
			defer close(done)
			var lists [2][]control.Instance        // one is made while the other is looked at
			_ = s.board.follow(ctx, func() error { // ends with ctx
				st := s.statusIn(lists[0])
				lists[0], lists[1] = lists[1], st.Instances
				select {
				case changes <- st:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
		}()
		s.mainLoop(ctx, last, changes)
		<-done
	}
}

// mainLoop is what the watchdog of the service manager watches: a ping is sent
// only from here, so it proves that changes are still handled.
func (s *Supervisor) mainLoop(ctx context.Context, last string, changes <-chan control.Status) {
	var ping <-chan time.Time
	if s.o.WatchdogInterval > 0 && s.o.Notify != nil {
		t := time.NewTicker(s.o.WatchdogInterval / 2)
		defer t.Stop()
		ping = t.C
	}
	calm := time.NewTimer(calmAfter)
	defer calm.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-calm.C:
			debug.SetGCPercent(gcPercent)
			debug.FreeOSMemory() // what many starts at once have taken is not needed again for long
		case <-ping:
			s.notify("WATCHDOG=1")
		case st := <-changes:
			calm.Reset(calmAfter)
			if text := summary(st.Instances); text != last {
				last = text
				s.notify("STATUS=" + text)
			}
			if s.o.OnStatus != nil {
				s.o.OnStatus(st)
			}
		}
	}
}

// gcPercent makes the collector come sooner than by its rule, once all has been started.
// What a supervisor has lives long and is small, and a storm of deaths leaves little behind: to
// collect more often costs it a hundredth of a processor in a storm, and half of its memory after one.
const gcPercent = 20

// startGCPercent is for the start, in which nearly all that is made stays. More would
// let garbage lie between what stays, in pages that are then not given back.
const startGCPercent = 50

// endGCPercent is for the end, which does much once.
const endGCPercent = 200

// calmAfter is how long nothing must have changed for a storm to be over.
const calmAfter = 250 * time.Millisecond

// maxSummary bounds the text of STATUS=.
const maxSummary = 200

// summary is one line about all instances: "2 of 3 ready; dev blocked: port 19001 held by …".
func summary(list []control.Instance) string {
	ready := 0
	var rest strings.Builder
	for _, i := range list {
		if i.State == instance.Ready {
			ready++
			continue
		}
		if rest.Len() > maxSummary {
			continue // nobody sees more
		}
		fmt.Fprintf(&rest, "; %s %s", i.Profile, i.State)
		if i.Reason != "" && i.State != instance.Starting {
			fmt.Fprintf(&rest, ": %s", i.Reason)
		}
	}
	text := strings.Join(strings.Fields(fmt.Sprintf("%d of %d ready%s", ready, len(list), rest.String())), " ")
	if len(text) > maxSummary {
		text = strings.ToValidUTF8(text[:maxSummary-3], "") + "…"
	}
	return text
}
