package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// act carries out one action. It returns when that has happened or failed.
func (t Target) act(ctx context.Context, a Action) error {
	u := t.Unit
	if a.Unit != u.Name || a.Scope != "" && a.Scope != u.Scope {
		u = servicegen.Unit{Name: a.Unit, Path: a.Path, Scope: a.Scope}
	}
	switch a.Verb {
	case VerbReload:
		return t.Host.Reload(ctx, u)
	case VerbEnable:
		return t.Host.Enable(ctx, u)
	case VerbDisable:
		return t.Host.Disable(ctx, u)
	case VerbReset:
		return t.Host.ResetFailed(ctx, u)
	case VerbStart:
		return t.Host.Start(ctx, u)
	case VerbStop:
		return t.Host.Stop(ctx, u)
	case VerbRestart:
		return t.Host.Restart(ctx, u)
	case VerbReexec:
		return t.reexec(ctx, u)
	case VerbGateway:
		return t.restartGateway(ctx)
	case VerbLinger:
		if t.Linger != nil {
			return t.linger(ctx)
		}
	}
	return fmt.Errorf("%s %s: no such verb", a.Verb, a.Unit)
}

// How long the manager of a user who now lingers may take to come up, and how often
// it is asked whether it has.
const (
	managerTime = 30 * time.Second
	managerPoll = 50 * time.Millisecond
)

// linger lets services of the user run without a login, and waits for the manager
// that comes of it. When none comes, whatever is asked of it next says so.
func (t Target) linger(ctx context.Context) error {
	if err := t.Linger(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, managerTime)
	defer cancel()
	tick := time.NewTicker(managerPoll)
	defer tick.Stop()
	for {
		if _, err := t.Host.State(ctx, t.Unit); !errors.Is(err, servicegen.ErrNoBus) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// restartGateway replaces the gateway, where one runs at all.
func (t Target) restartGateway(ctx context.Context) error {
	client, _, err := control.Find(t.Profile)
	if errors.Is(err, control.ErrNone) {
		return nil
	}
	if err == nil {
		err = client.Restart(ctx, t.Profile.Name)
	}
	if _, later := errors.AsType[*control.LaterError](err); later { // the gateway itself has asked
		return nil
	}
	return err
}

// reexec has what the program file holds now take the place of the supervisor,
// and of its gateways restarts only that of the profile. A supervisor that cannot
// be replaced is restarted.
func (t Target) reexec(ctx context.Context, u servicegen.Unit) error {
	if client, _, err := control.Find(t.Profile); err == nil {
		if _, _, err = client.Reexec(ctx); err == nil {
			return client.Restart(ctx, t.Profile.Name)
		}
	}
	return t.Host.Restart(ctx, u)
}
