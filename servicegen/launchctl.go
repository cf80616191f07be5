package servicegen

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// launchctl answers before the job has moved, so what it was asked for is
// watched for at this rhythm.
const (
	launchPoll      = 100 * time.Millisecond
	bootstrapTries  = 10
	startPatience   = 15 * time.Second // launchd may hold a start back for throttleInterval
	teardownReserve = 5 * time.Second  // beyond the job's own stop time-out
)

// Launchctl is the Host of launchd, worked through launchctl(1).
type Launchctl struct {
	o   HostOptions
	run Runner
}

// NewLaunchctl returns the host of the agents of o.UID, or of the daemons of the
// machine in system scope.
func NewLaunchctl(o HostOptions) *Launchctl {
	o = o.filled()
	h := &Launchctl{o: o, run: o.Run}
	if h.run == nil {
		h.run = ExecRunner("")
	}
	return h
}

// launchJob is where a label lives and what launchd says of it.
type launchJob struct {
	domain string
	loaded bool
	print  launchPrint
}

func (j launchJob) target(u Unit) string { return j.domain + "/" + u.Name }

// find looks for the job where it is loaded, so that every verb meets the one
// that exists; for a job that is nowhere it picks the domain to load it into:
// the desktop session, else (112, 125: there is none) the user's own. A desktop
// session that is there is never passed over, or the job would run twice as soon
// as the session loads it too.
func (h *Launchctl) find(ctx context.Context, u Unit) (launchJob, error) {
	domains, err := h.domains(u)
	if err != nil {
		return launchJob{}, err
	}
	for _, d := range domains {
		if j, err := h.look(ctx, u, d); err != nil || j.loaded {
			return j, err
		}
	}
	if len(domains) == 1 {
		return launchJob{domain: domains[0]}, nil
	}
	_, err = h.do(ctx, "print", domains[0])
	if failedWith(err, codeNoDomain, codeBadDomain) {
		return launchJob{domain: domains[1]}, nil
	}
	return launchJob{domain: domains[0]}, err
}

// domains are where a job may be, best first.
func (h *Launchctl) domains(u Unit) ([]string, error) {
	switch {
	case u.Scope == ScopeSystem:
		return []string{"system"}, nil
	case h.o.UID == 0:
		return nil, fmt.Errorf("service %s: root has no agents of its own; run this as the user, without sudo, or use --system", u.Name)
	}
	uid := strconv.Itoa(h.o.UID)
	return []string{"gui/" + uid, "user/" + uid}, nil
}

// look asks one domain for the job.
func (h *Launchctl) look(ctx context.Context, u Unit, domain string) (launchJob, error) {
	out, err := h.do(ctx, "print", domain+"/"+u.Name)
	switch {
	case err == nil:
		return launchJob{domain: domain, loaded: true, print: parseLaunchPrint(out)}, nil
	case failedWith(err, codeNoService, codeNoDomain, codeBadDomain):
		return launchJob{domain: domain}, nil
	}
	return launchJob{}, err
}

// Format implements Host.
func (h *Launchctl) Format() Format { return FormatLaunchd }

// Reload implements Host. A job that is loaded is unloaded and loaded again,
// since launchd never reads a plist twice; one that is not stays so.
func (h *Launchctl) Reload(ctx context.Context, u Unit) error {
	j, err := h.find(ctx, u)
	if err != nil || !j.loaded {
		return err
	}
	// First, so that a label which was disabled is known before the job is gone.
	if _, err := h.do(ctx, "enable", j.target(u)); err != nil {
		return err
	}
	if err := h.unload(ctx, u, j); err != nil {
		return err
	}
	return h.load(ctx, u, j)
}

// Enable implements Host. launchd remembers a label that was disabled beyond the
// life of its plist, and then refuses to load it.
func (h *Launchctl) Enable(ctx context.Context, u Unit) error {
	j, err := h.find(ctx, u)
	if err != nil {
		return err
	}
	_, err = h.do(ctx, "enable", j.target(u))
	return err
}

// Disable implements Host.
func (h *Launchctl) Disable(ctx context.Context, u Unit) error {
	j, err := h.find(ctx, u)
	if err != nil {
		return err
	}
	_, err = h.do(ctx, "disable", j.target(u))
	return err
}

// Start implements Host: it loads the plist when it is not loaded, then makes
// sure that a process runs. launchd knows no readiness, so that is all.
func (h *Launchctl) Start(ctx context.Context, u Unit) error {
	j, err := h.find(ctx, u)
	if err != nil {
		return err
	}
	if !j.loaded {
		if err := h.load(ctx, u, j); err != nil {
			return err
		}
	}
	return h.kick(ctx, u, j)
}

// kick starts a loaded job and waits for its process. Without -k a job that
// already runs is left alone.
func (h *Launchctl) kick(ctx context.Context, u Unit, j launchJob) error {
	if _, err := h.do(ctx, "kickstart", j.target(u)); err != nil && !failedWith(err, codeInProgress) {
		return err
	}
	up, last, err := h.await(ctx, u, j, startPatience, func(p launchPrint, loaded bool) bool { return loaded && p.pid > 0 })
	if err != nil {
		return err
	}
	if !up {
		return &JobError{Unit: u.Name, Verb: "start", Result: "no process came up", Detail: last.detail()}
	}
	return nil
}

// Stop implements Host: the job is unloaded, or KeepAlive would bring it back. It
// is never disabled for that, which would outlive the plist and the next boot. A
// job that both of a user's domains have loaded is unloaded from both.
func (h *Launchctl) Stop(ctx context.Context, u Unit) error {
	domains, err := h.domains(u)
	if err != nil {
		return err
	}
	for _, d := range domains {
		j, err := h.look(ctx, u, d)
		if err == nil && j.loaded {
			err = h.unload(ctx, u, j)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Restart implements Host. The job stays loaded: unloading it for a restart
// leaves a machine without its service when the loading then fails. The process
// is asked to end, given its stop time-out, and started again; one that does not
// end is killed.
func (h *Launchctl) Restart(ctx context.Context, u Unit) error {
	j, err := h.find(ctx, u)
	if err != nil {
		return err
	}
	if !j.loaded || j.print.pid == 0 {
		return h.Start(ctx, u)
	}
	old := j.print.pid
	if _, err := h.do(ctx, "kill", "SIGTERM", j.target(u)); err != nil && !failedWith(err, codeNotLoaded, codeNoService) {
		return err
	}
	gone, _, err := h.await(ctx, u, j, h.stopPatience(u), func(p launchPrint, _ bool) bool { return p.pid != old })
	if err != nil {
		return err
	}
	if !gone {
		if _, err := h.do(ctx, "kickstart", "-k", j.target(u)); err != nil {
			return err
		}
	}
	return h.kick(ctx, u, j)
}

// ResetFailed implements Host; launchd keeps no such thing.
func (h *Launchctl) ResetFailed(context.Context, Unit) error { return nil }

// State implements Host.
func (h *Launchctl) State(ctx context.Context, u Unit) (State, error) {
	j, err := h.find(ctx, u)
	if err != nil {
		return State{}, err
	}
	s := State{LoadState: LoadNotFound, ActiveState: "inactive", Domain: j.domain, View: View{Format: FormatLaunchd, Loaded: true}}
	if j.loaded {
		s = j.print.state()
		s.Domain = j.domain
	}
	s.UnitFileState = "enabled"
	out, err := h.do(ctx, "print-disabled", j.domain)
	if err != nil {
		return State{}, err
	}
	if isDisabled(out, u.Name) {
		s.UnitFileState = "disabled"
	}
	if !j.loaded && u.Path != "" && Observe(FormatLaunchd, u.Path).State == FileMissing {
		s.UnitFileState = ""
	}
	return s, nil
}

func (h *Launchctl) stopPatience(u Unit) time.Duration {
	return max(u.Spec.StopTimeout, throttleInterval) + teardownReserve
}

// unload removes the job and waits until launchd has let go of the label.
func (h *Launchctl) unload(ctx context.Context, u Unit, j launchJob) error {
	_, err := h.do(ctx, "bootout", j.target(u))
	if err != nil && !failedWith(err, codeNotLoaded, codeNoService, codeInProgress, codeUnderway) {
		return err
	}
	gone, last, err := h.await(ctx, u, j, h.stopPatience(u), func(_ launchPrint, loaded bool) bool { return !loaded })
	if err != nil {
		return err
	}
	if !gone {
		return &JobError{Unit: u.Name, Verb: "stop", Result: "still loaded", Detail: last.detail()}
	}
	return nil
}

// load reads the plist into the domain. Right after an unload launchd may still
// hold the label, which it says with codes that mean something else elsewhere.
func (h *Launchctl) load(ctx context.Context, u Unit, j launchJob) error {
	if _, err := h.do(ctx, "enable", j.target(u)); err != nil {
		return err
	}
	wait := launchPoll
	for try := 1; ; try++ {
		_, err := h.do(ctx, "bootstrap", j.domain, u.Path)
		if err == nil || !failedWith(err, codeIO, codeInProgress) || try == bootstrapTries {
			return err
		}
		if out, _, code, err := h.run(ctx, "print", j.target(u)); err == nil && code == 0 && parseLaunchPrint(out).path == u.Path {
			return nil // loaded all the same
		}
		if err := pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, 2*time.Second)
	}
}

// await polls the job until done, or for patience at most, and returns whether
// done came true and what it saw last.
func (h *Launchctl) await(ctx context.Context, u Unit, j launchJob, patience time.Duration, done func(p launchPrint, loaded bool) bool) (bool, launchPrint, error) {
	var last launchPrint
	for waited := time.Duration(0); ; waited += launchPoll {
		out, err := h.do(ctx, "print", j.target(u))
		loaded := err == nil
		if err != nil && !failedWith(err, codeNoService, codeNoDomain, codeBadDomain) {
			return false, last, err
		}
		now := launchPrint{}
		if loaded {
			now = parseLaunchPrint(out)
			last = now
		}
		if done(now, loaded) {
			return true, last, nil
		}
		if waited >= patience {
			return false, last, nil
		}
		if err := pause(ctx, launchPoll); err != nil {
			return false, last, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
