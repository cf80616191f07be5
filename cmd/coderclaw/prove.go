package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/buildinfo"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// readyLimit is how long a service verb waits for the gateway behind a service to become ready.
const readyLimit = 30 * time.Second

// holdLimit is how long the process of a service may take to hold its profile and
// answer. Under systemd it does so before the start counts as done.
const holdLimit = 10 * time.Second

// provePoll is how often the prover looks for what nobody announces.
const provePoll = 50 * time.Millisecond

// prover finds out whether a service runs what it should: the manager's process is
// a supervisor of this program that holds the profile; what listens on the port
// descends from it; the gateway there says that it is the profile's, of this build
// and of the start that the supervisor knows.
//
// A gateway that is not ready for a cause outside of the service is no failure of
// the proof, unless it was ready before; it is told in unready.
type prover struct {
	a     *app
	s     unitService
	check supervisor.Checked
	was   instance.State // of the gateway before, "" when no supervisor ran it

	renewed bool     // a supervisor of an older file was replaced
	unready error    // why the gateway is not ready, though its service is right
	notes   []string // what could not be proven, for people
}

func (a *app) prover(ctx context.Context, s unitService, check supervisor.Checked) *prover {
	p := &prover{a: a, s: s, check: check}
	if client, _, err := control.Find(s.profile); err == nil {
		if st, err := client.Status(ctx); err == nil {
			p.was = instanceOf(st, s.profile.Name).State
		}
	}
	return p
}

// instanceOf is what a supervisor says of one profile, zero when it has none of that name.
func instanceOf(st control.Status, profile string) control.Instance {
	for _, i := range st.Instances {
		if i.Profile == profile {
			return i
		}
	}
	return control.Instance{}
}

// prove waits up to holdLimit and readyLimit. Its error says what it waited for,
// and for how long.
func (p *prover) prove(ctx context.Context, state servicegen.State) error {
	client, err := inTime(ctx, holdLimit, func(ctx context.Context) (*control.Client, error) { return p.holds(ctx, state.MainPID) })
	if err != nil {
		return err
	}
	if err := p.renew(ctx, client, state.MainPID); err != nil {
		return err
	}
	p.wake(ctx, client)
	i, err := inTime(ctx, readyLimit, func(ctx context.Context) (control.Instance, error) { return p.settled(ctx, client) })
	if err != nil {
		return err
	}
	if i.State != instance.Ready {
		return p.notReady(i)
	}
	if err := p.ownsPort(state.MainPID); err != nil {
		return err
	}
	_, err = inTime(ctx, readyLimit, func(ctx context.Context) (struct{}, error) { return struct{}{}, p.identity(ctx, client) })
	return err
}

// notReady decides what a gateway means that did not become ready. One that is still
// starting takes its time; any other state is a step back only if it was ready.
func (p *prover) notReady(i control.Instance) error {
	why := firstOf(i.Reason, "its supervisor gives no reason")
	if p.was == instance.Ready && settled(i.State) {
		return fmt.Errorf("the gateway was ready before and is now %s: %s", i.State, why)
	}
	p.unready = fmt.Errorf("the service is installed and its supervisor runs, but the gateway is %s: %s; see: %s",
		i.State, why, hint(p.s.profile, "gateway status"))
	return nil
}

// inTime bounds the time of do, and says in its error how much that was.
func inTime[T any](ctx context.Context, limit time.Duration, do func(context.Context) (T, error)) (T, error) {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	got, err := do(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("waited %s in vain: %w", limit, err)
	}
	return got, err
}

// holds waits until the manager's process holds the profile and answers. pid is 0
// when the manager does not know it.
func (p *prover) holds(ctx context.Context, pid int) (*control.Client, error) {
	tick := time.NewTicker(provePoll)
	defer tick.Stop()
	for {
		client, info, err := control.Find(p.s.profile)
		switch {
		case err == nil && pid != 0 && info.PID != pid:
			err = fmt.Errorf("the service runs as pid %d, but profile %s is held by supervisor pid %d%s", pid, p.s.profile.Name, info.PID, unitNote(info.Unit))
		case err == nil:
			if _, err = client.Status(ctx); err == nil {
				return client, nil
			}
			err = fmt.Errorf("supervisor pid %d does not answer: %w", info.PID, err)
		default:
			err = fmt.Errorf("the service runs as pid %d, but it does not hold profile %s: %w", pid, p.s.profile.Name, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// renew has a supervisor that runs an older file of its program replaced in its
// place, and its gateway restarted. It keeps every connection.
func (p *prover) renew(ctx context.Context, client *control.Client, pid int) error {
	want := p.s.spec.Exec[0]
	proc, err := proctable.Get(pid)
	if pid == 0 || err != nil || proc.Exe == "" {
		return nil // it may not be seen; the build that the gateway reports is looked at besides
	}
	path, err := filepath.EvalSymlinks(want)
	if err != nil {
		return fmt.Errorf("the program of the service: %w", err)
	}
	if proc.Exe != path {
		p.notes = append(p.notes, fmt.Sprintf("the service runs %s and not %s, by a drop-in or because the link was moved", proc.Exe, want))
		return nil
	}
	if !proc.ExeDeleted {
		return nil
	}
	if _, _, err := client.Reexec(ctx); err != nil {
		return fmt.Errorf("replace the supervisor, whose program is an older one: %w", err)
	}
	p.renewed = true
	return client.Restart(ctx, p.s.profile.Name)
}

// wake has the gateway of a supervisor that ran before started, if a person had
// stopped it, and restarted, if the config has named another port since. What comes
// of that is looked at afterwards.
func (p *prover) wake(ctx context.Context, client *control.Client) {
	st, err := client.Status(ctx)
	i := instanceOf(st, p.s.profile.Name)
	switch {
	case err != nil:
	case p.was == instance.Stopped && i.State == instance.Stopped:
		_ = client.Start(ctx, p.s.profile.Name)
	case i.State == instance.Ready && p.check.Port != 0 && i.Port != p.check.Port:
		if client.Restart(ctx, p.s.profile.Name) == nil {
			p.notes = append(p.notes, fmt.Sprintf("the gateway was restarted, since it listened on port %d and its config says %d", i.Port, p.check.Port))
		}
	}
}

// settled waits until the gateway is in a state that lasts. The time that is left
// when it does not is no error: a start may take long.
func (p *prover) settled(ctx context.Context, client *control.Client) (control.Instance, error) {
	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	last := control.Instance{}
	err := client.Watch(watch, func(st control.Status) {
		last = instanceOf(st, p.s.profile.Name)
		if settled(last.State) {
			cancel()
		}
	})
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.DeadlineExceeded) {
		return last, fmt.Errorf("wait for the gateway of profile %s: %w", p.s.profile.Name, cause)
	}
	if watch.Err() == nil || last.State == "" {
		return last, fmt.Errorf("wait for the gateway of profile %s: %w", p.s.profile.Name, err)
	}
	return last, nil
}

// settled tells whether an instance that is to run stays in this state for a
// while. One that is stopped is about to be started.
func settled(s instance.State) bool {
	switch s {
	case instance.Ready, instance.Blocked, instance.Quarantined, instance.BackingOff:
		return true
	}
	return false
}

// ownsPort tells whether what listens on the gateway's port descends from the
// service's process. Where that may not be seen, the identity has to do.
func (p *prover) ownsPort(pid int) error {
	if pid == 0 || p.check.Port == 0 {
		return nil
	}
	listeners, err := proctable.Listeners(p.check.Port)
	if err != nil {
		return nil
	}
	var others []string
	for _, l := range listeners {
		switch {
		case l.PID == 0:
			return nil
		case proctable.IsDescendant(l.PID, pid):
			return nil
		}
		others = append(others, proctable.Describe(l))
	}
	if len(others) == 0 {
		return nil
	}
	return fmt.Errorf("port %d is not the gateway's of the service (pid %d), but held by %s", p.check.Port, pid, strings.Join(others, "; "))
}

// identity asks the gateway who it is. One that does not take our credential
// cannot be asked, which is noted.
func (p *prover) identity(ctx context.Context, client *control.Client) error {
	t, err := p.a.gatewayOf(p.s.profile, p.check)
	if err != nil {
		return err
	}
	tick := time.NewTicker(provePoll)
	defer tick.Stop()
	for {
		var health protocol.HealthSummary
		err := p.a.call(ctx, t, "probe", "health", struct{}{}, &health)
		if refused(err) {
			p.notes = append(p.notes, "the gateway answers, but did not accept the credential of "+p.s.profile.ConfigPath+", so it was not asked who it is")
			return nil
		}
		if err == nil {
			// It may have been restarted since its supervisor was asked, so that is asked again.
			var st control.Status
			if st, err = client.Status(ctx); err == nil {
				err = p.same(t, health.Coderclaw, instanceOf(st, p.s.profile.Name))
			}
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the gateway is ready, but is not proven to be the one of the service: %w (%w)", err, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// same holds what a gateway says of itself against what its supervisor started.
func (p *prover) same(t target, who *protocol.Identity, i control.Instance) error {
	if who == nil || who.Profile != p.s.profile.Name || who.Instance != i.ID || who.PID != i.PID {
		return fmt.Errorf("at %s answers %s, and not pid %d of profile %s", t.url, identityWords(who), i.PID, p.s.profile.Name)
	}
	if build := ownBuild(); who.Build != build {
		p.notes = append(p.notes, fmt.Sprintf("the gateway is of build %s, this is %s", who.Build, build))
	}
	return nil
}

// ownBuild is what a gateway of this program says of its build.
func ownBuild() string {
	if commit := buildinfo.Commit(); commit != "" {
		return buildinfo.Version() + "+" + commit
	}
	return buildinfo.Version()
}
