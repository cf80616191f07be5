package servicegen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Runner runs one launchctl command and returns what it printed and its exit
// code. err is set only when the command could not be run at all.
type Runner func(ctx context.Context, args ...string) (stdout, stderr []byte, code int, err error)

// ExecRunner runs the launchctl at path; "" means /bin/launchctl.
func ExecRunner(path string) Runner {
	if path == "" {
		path = "/bin/launchctl"
	}
	return func(ctx context.Context, args ...string) ([]byte, []byte, int, error) {
		var stdout, stderr bytes.Buffer
		cmd := exec.CommandContext(ctx, path, args...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		if e, ok := errors.AsType[*exec.ExitError](err); ok && ctx.Err() == nil {
			return stdout.Bytes(), stderr.Bytes(), e.ExitCode(), nil
		}
		if err != nil {
			return stdout.Bytes(), stderr.Bytes(), -1, fmt.Errorf("run %s: %w", path, err)
		}
		return stdout.Bytes(), stderr.Bytes(), 0, nil
	}
}

// Exit codes of launchctl that decide something.
const (
	codeIO         = 5   // bootstrap: the label is still being torn down
	codeInProgress = 37  // the operation is already in progress
	codeNoDomain   = 112 // no such domain: nobody is logged in at the desktop
	codeNoService  = 113 // no such job in that domain
	codeBadDomain  = 125 // the domain does not do that: ssh or sudo without a desktop
	codeNotLoaded  = 3   // bootout: no such process
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

// LaunchctlError is a launchctl command that failed.
type LaunchctlError struct {
	Args []string
	Code int
	Text string // what it printed
}

func (e *LaunchctlError) Error() string {
	return fmt.Sprintf("launchctl %s: exit code %d: %s", strings.Join(e.Args, " "), e.Code, e.Text)
}

// do runs a command that must succeed.
func (h *Launchctl) do(ctx context.Context, args ...string) ([]byte, error) {
	stdout, stderr, code, err := h.run(ctx, args...)
	if err != nil {
		return nil, err
	}
	if code != 0 {
		text := strings.TrimSpace(string(stderr))
		if text == "" {
			text = strings.TrimSpace(string(stdout))
		}
		return stdout, &LaunchctlError{Args: args, Code: code, Text: text}
	}
	return stdout, nil
}

// failedWith tells whether err is a launchctl command that ended with one of codes.
func failedWith(err error, codes ...int) bool {
	e, ok := errors.AsType[*LaunchctlError](err)
	if !ok {
		return false
	}
	for _, c := range codes {
		if e.Code == c {
			return true
		}
	}
	return false
}

// job is where a label lives and what launchd says of it.
type launchJob struct {
	domain string
	loaded bool
	print  launchPrint
}

func (j launchJob) target(u Unit) string { return j.domain + "/" + u.Name }

// find looks for the job where it is loaded, so that every verb meets the one
// that exists; for a job that is nowhere it picks the domain to load it into:
// the desktop session, else (112, 125: there is none) the user's own.
func (h *Launchctl) find(ctx context.Context, u Unit) (launchJob, error) {
	domains := []string{"gui/" + strconv.Itoa(h.o.UID), "user/" + strconv.Itoa(h.o.UID)}
	switch {
	case u.Scope == ScopeSystem:
		domains = []string{"system"}
	case h.o.UID == 0:
		return launchJob{}, fmt.Errorf("service %s: root has no agents of its own; run this as the user, without sudo", u.Name)
	}
	for _, d := range domains {
		out, err := h.do(ctx, "print", d+"/"+u.Name)
		if err == nil {
			return launchJob{domain: d, loaded: true, print: parseLaunchPrint(out)}, nil
		}
		if !failedWith(err, codeNoService, codeNoDomain, codeBadDomain) {
			return launchJob{}, err
		}
	}
	if len(domains) == 1 {
		return launchJob{domain: domains[0]}, nil
	}
	_, err := h.do(ctx, "print", domains[0])
	if failedWith(err, codeNoDomain, codeBadDomain) {
		return launchJob{domain: domains[1]}, nil
	}
	return launchJob{domain: domains[0]}, err
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

// Stop implements Host: the job is unloaded, or KeepAlive would bring it back.
func (h *Launchctl) Stop(ctx context.Context, u Unit) error {
	j, err := h.find(ctx, u)
	if err != nil || !j.loaded {
		return err
	}
	return h.unload(ctx, u, j)
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
	if err != nil && !failedWith(err, codeNotLoaded, codeNoService, codeInProgress) {
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
