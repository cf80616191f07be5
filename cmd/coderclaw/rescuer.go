package main

import (
	"context"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rescue"
	"github.com/coderclaw/coderclaw/internal/handoff"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// rescuer asks the supervisor of a rescue gateway in the gateway's words.
type rescuer struct {
	own    string // its profile, which is no sibling of itself
	client *control.Client
}

// rescueOf is what the gateway of that hand-off may do for others: nothing, but
// for the one of the profile rescue.
func rescueOf(m handoff.Message) rescue.Supervisor {
	if m.Profile != profiles.Rescue || m.ControlSocket == "" {
		return nil
	}
	return rescuer{m.Profile, control.New(m.ControlSocket)}
}

// Siblings implements rescue.Supervisor.
func (r rescuer) Siblings(ctx context.Context) (protocol.Siblings, error) {
	report, err := r.client.Diagnosis(ctx)
	if err != nil {
		return protocol.Siblings{}, err
	}
	out := protocol.Siblings{Unseen: report.Unseen}
	for _, d := range report.Wrong {
		if d.Profile != r.own {
			out.Siblings = append(out.Siblings, sibling(d))
		}
	}
	return out, nil
}

func sibling(d control.Diagnosis) protocol.Sibling {
	s := protocol.Sibling{Profile: d.Profile, State: string(d.State), Reason: d.Reason, Since: d.Since, Supervisor: d.Supervisor, Unit: d.Unit}
	if e := d.LastExit; e != nil {
		s.LastExit = &protocol.SiblingExit{Class: e.Class, Code: e.Code, Signal: e.Signal, At: e.At}
	}
	return s
}

// Doctor implements rescue.Supervisor.
func (r rescuer) Doctor(ctx context.Context, profile string, repair bool, line func(stream, text string)) (int, error) {
	return r.client.Doctor(ctx, profile, repair, line)
}
