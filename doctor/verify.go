package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// readyTime is how long a gateway may take from the end of a repair until it is
// ready; one that takes longer is found as what it is then.
const readyTime = 30 * time.Second

// settle observes once what was started has come up, or will not.
func settle(ctx context.Context, t Target) Observation {
	if control.Wanted(t.Profile) != control.WantStopped {
		if client, _, err := control.Find(t.Profile); err == nil {
			ctx, cancel := context.WithTimeout(ctx, readyTime)
			_ = client.Watch(ctx, func(st control.Status) { // what is left is found by looking
				for _, i := range st.Instances {
					if i.Profile == t.Profile.Name && settled(i.State) {
						cancel()
					}
				}
			})
			cancel()
		}
	}
	return Observe(ctx, t)
}

// settled tells whether an instance that is to run stays in this state for a while.
func settled(s instance.State) bool {
	switch s {
	case instance.Ready, instance.Blocked, instance.Quarantined, instance.BackingOff:
		return true
	}
	return false
}

// ready tells whether the profile's gateway does its work, whoever runs it.
func ready(t Target, o Observation) bool {
	e := examiner{t: t, o: o}
	i, ok := e.instance()
	return ok && i.State == instance.Ready
}

// unready says why the gateway is not ready.
func unready(t Target, o Observation) string {
	e := examiner{t: t, o: o}
	if i, ok := e.instance(); ok {
		return fmt.Sprintf("the gateway is %s: %s", i.State, i.Reason)
	}
	if o.StateErr != nil {
		return oneLine(o.StateErr)
	}
	return fmt.Sprintf("no supervisor answers; the unit is %s/%s (%s)", o.State.ActiveState, o.State.SubState, o.State.Result)
}

// worse says what the service has lost, "" if nothing. A gateway that is still
// starting has not been lost.
func (r *run) worse(o Observation) string {
	if o.Wish == control.WantStopped {
		return ""
	}
	e := examiner{t: r.t, o: o}
	i, ok := e.instance()
	if ok && (i.State == instance.Starting || i.State == instance.Draining) {
		return ""
	}
	was := r.j.Service
	switch {
	case was.Healthy && !ready(r.t, o):
		return "the service was healthy before and is not after: " + unready(r.t, o)
	case was.Known && was.Up && o.StateErr == nil && !up(o.State):
		return fmt.Sprintf("the service ran before and does not after: the unit is %s/%s (%s)", o.State.ActiveState, o.State.SubState, o.State.Result)
	}
	return ""
}

// oneLine is an error as it stands within a sentence.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

func joinWhy(why, more string) string {
	if why == "" {
		return more
	}
	return why + "; " + more
}
