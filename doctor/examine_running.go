package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// running holds the processes against what is loaded.
func (e *examiner) running() {
	if e.o.StateErr == nil && e.wanted() && !e.foreign() {
		e.serviceState()
	}
	e.process()
	e.owners()
	if e.o.MutePID != 0 {
		e.add(SupervisorMute, ViewRunning, Finding{Have: fmt.Sprint(e.o.MutePID), Message: fmt.Sprintf("supervisor pid %d runs and does not answer: %v", e.o.MutePID, e.o.MuteErr),
			Fix: fmt.Sprintf("run: kill -9 %d", e.o.MutePID)})
	}
	e.gateway()
	e.credential()
	e.crashes()
}

// serviceState is for a service that should run and does not.
func (e *examiner) serviceState() {
	s := e.o.State
	switch {
	case s.ActiveState == "failed" && startLimitHit(s):
		e.mended(UnitStartLimitHit, e.start(), ViewRunning, Finding{Have: fmt.Sprintf("%d restarts, %s", s.NRestarts, outcome(s)), Want: "active"})
	case s.ActiveState == "failed":
		e.mended(UnitFailed, e.start(), ViewRunning, Finding{Have: outcome(s), Want: "active", Message: "The service has failed and is not started again by itself" + exitWords(s.ExecMainStatus) + "."})
	case s.SubState == "auto-restart", s.ActiveState == "activating" && s.NRestarts > 0: // in the midst of the next try
		e.add(UnitRestarting, ViewRunning, Finding{Have: fmt.Sprintf("%d restarts, %s", s.NRestarts, outcome(s)), Want: "active",
			Message: "The service fails again and again, and the manager starts it each time" + exitWords(s.ExecMainStatus) + ".", Fix: "see the reason with: " + e.journal()})
	case !s.Running() && (s.ActiveState == "inactive" || s.ActiveState == "") && e.o.Supervisor == nil:
		e.mended(UnitStopped, e.start(), ViewRunning, Finding{Have: firstOf(s.ActiveState, "not running"), Want: "active"})
	}
}

// start tells whether a start or restart of the service can lead to anything: not
// while a drop-in has it start something that is no supervisor, or while somebody
// else's program stands in its place.
func (e *examiner) start() Mending {
	if e.has(DropInBreaks, UnitShadowed) || e.foreign() {
		return ByHand
	}
	return Act
}

// journal is what shows the lines that the supervisor wrote.
func (e *examiner) journal() string {
	switch {
	case e.t.Host.Format() != servicegen.FormatSystemd:
		return e.command("logs")
	case e.t.Unit.Scope == servicegen.ScopeSystem:
		return "sudo journalctl -n 50 -u " + e.t.Unit.Name
	}
	return "journalctl --user -n 50 -u " + e.t.Unit.Name
}

// startLimitHit tells a manager that has given up from one that was never to
// start the unit again. Some releases of systemd keep the last failure as the
// result; a failure after which the unit would have been started again then says it.
func startLimitHit(s servicegen.State) bool {
	if s.Result == "start-limit-hit" {
		return true
	}
	restarts := s.View.Values["Restart"]
	again := slices.Contains([]string{"exit-code", "signal", "core-dump", "timeout", "watchdog"}, s.Result) && (restarts == "on-failure" || restarts == "always")
	never := s.Result == "exit-code" && slices.Contains(strings.Fields(s.View.Values["RestartPreventExitStatus"]), fmt.Sprint(s.ExecMainStatus))
	return again && !never && s.NRestarts > 0
}

func outcome(s servicegen.State) string {
	if s.Result == "exit-code" || s.ExecMainStatus != 0 {
		return fmt.Sprintf("%s, exit status %d", s.Result, s.ExecMainStatus)
	}
	return s.Result
}

// exitWords explains the exit statuses that mean something, those of
// systemd.exec(5) among them.
func exitWords(status int) string {
	words := map[int]string{
		78: ": config or registry invalid", 75: ": a port or a lock is held", 200: ": the working directory is missing",
		203: ": the program cannot be executed", 208: ": its output cannot be set up", 216: ": its group is missing", 217: ": its user is missing",
		218: ": the manager may not set its capabilities", 226: ": its view of the file system cannot be set up", 228: ": the system call filter is refused",
	}
	return words[status]
}

// process holds the main process against what is loaded.
func (e *examiner) process() {
	p, s := e.o.Process, e.o.State
	if p == nil || !s.Running() {
		return
	}
	if p.ExeDeleted {
		e.add(BinaryReplaced, ViewRunning, Finding{Path: p.Exe, Have: fmt.Sprintf("pid %d runs the old file", p.PID)})
	}
	if len(s.Exec) > 0 && len(p.Argv) > 0 && !slices.Equal(s.Exec, p.Argv) {
		if e.has(DropInBreaks) {
			return // what runs is better than what a restart would start
		}
		e.mended(UnitOldProcess, e.start(), ViewRunning, Finding{Have: strings.Join(p.Argv, " "), Want: strings.Join(s.Exec, " ")})
		return
	}
	if s.ActiveState == "active" && e.o.Supervisor == nil && e.o.MutePID == 0 && !e.foreign() {
		e.add(UnitElsewhere, ViewRunning, Finding{Have: fmt.Sprintf("pid %d", p.PID), Want: "a supervisor that holds " + e.t.Profile.SupervisorLock(), Fix: "run: " + e.systemctl("restart "+e.t.Unit.Name)})
	}
}

// owners is for a profile that something else runs than its service.
func (e *examiner) owners() {
	sup := e.o.Supervisor
	if !e.expected() || e.o.StateErr != nil || e.foreign() {
		return
	}
	start := e.service("start")
	if sup != nil && sup.Supervisor.PID != e.o.State.MainPID && sup.Supervisor.Unit != e.t.Unit.Name && sup.Supervisor.PID != 0 {
		have, end := fmt.Sprintf("pid %d", sup.Supervisor.PID), fmt.Sprintf("kill %d", sup.Supervisor.PID)
		if unit := sup.Supervisor.Unit; unit != "" {
			have, end = have+", unit "+unit, e.systemctl("stop "+unit)
		}
		e.add(SupervisorByHand, ViewRunning, Finding{Have: have, Want: "unit " + e.t.Unit.Name, Fix: "run: " + end + " && " + start})
	}
	if e.o.Gateway != 0 && !e.o.GatewayBelow && (sup != nil || !e.o.State.Running()) {
		e.add(GatewayByHand, ViewRunning, Finding{Have: fmt.Sprintf("pid %d", e.o.Gateway), Want: "a gateway of unit " + e.t.Unit.Name, Fix: fmt.Sprintf("run: kill %d && %s", e.o.Gateway, start)})
	}
}

// aboutToStart is for how long a gateway that is wanted may be stopped without a word.
const aboutToStart = 5 * time.Second

// gateway looks at the instance that the supervisor keeps.
func (e *examiner) gateway() {
	if sup := e.o.Supervisor; sup != nil && sup.Supervisor.Version != "" && e.t.Spec.Version != "" && sup.Supervisor.Version != e.t.Spec.Version {
		e.add(VersionSkew, ViewRunning, Finding{Have: sup.Supervisor.Version, Want: e.t.Spec.Version, Fix: "run: coderclaw supervisor reexec " + e.t.Profile.Name})
	}
	i, ok := e.instance()
	if !ok {
		return
	}
	want := string(instance.Ready)
	switch {
	case i.State == instance.Quarantined:
		e.add(InstanceQuarantine, ViewRunning, Finding{Have: string(i.State), Want: want, Message: "the gateway is quarantined: " + i.Reason,
			Fix: "see " + e.command("crashes") + " for the cause; when it is mended, run: coderclaw supervisor start " + e.t.Profile.Name})
	case i.State == instance.Stopped && e.o.Now.Sub(i.Since) < aboutToStart: // its supervisor has just begun
	case i.State != instance.Ready && i.State != instance.Starting && e.o.Wish != control.WantStopped:
		e.add(InstanceDown, ViewRunning, Finding{Have: string(i.State), Want: want, Message: fmt.Sprintf("the gateway is %s: %s", i.State, i.Reason), Fix: "see the reason; more is in: " + e.command("logs")})
	}
	if i.Degraded != "" {
		e.add(ConfigDegraded, ViewRunning, Finding{Path: e.t.Profile.ConfigPath, Have: "the last good config", Want: "the config on disk",
			Message: "the gateway runs on its last good config: " + i.Degraded, Fix: "mend the named place of " + e.t.Profile.ConfigPath + "; then, if the gateway does not take it up, run: coderclaw supervisor restart " + e.t.Profile.Name})
	}
	if port := e.o.Check.Port; i.State == instance.Ready && i.Degraded == "" && e.o.CheckErr == nil && port != 0 && i.Port != 0 && i.Port != port {
		e.add(PortNotApplied, ViewPort, Finding{Key: "gateway.port", Have: fmt.Sprint(i.Port), Want: fmt.Sprint(port), Fix: "run: coderclaw supervisor restart " + e.t.Profile.Name})
	}
}

func (e *examiner) instance() (control.Instance, bool) {
	if e.o.Supervisor == nil {
		return control.Instance{}, false
	}
	for _, i := range e.o.Supervisor.Instances {
		if i.Profile == e.t.Profile.Name {
			return i, true
		}
	}
	return control.Instance{}, false
}

// How many crashes of how long are worth a word, and a warning.
const (
	crashesWithin = 24 * time.Hour
	crashesMany   = 5
)

func (e *examiner) crashes() {
	count, classes, last := 0, map[string]int{}, time.Time{}
	for _, c := range e.o.Crashes {
		if age := e.o.Now.Sub(c.At); age < 0 || age > crashesWithin {
			continue
		}
		count++
		classes[c.Class]++
		if c.At.After(last) {
			last = c.At
		}
	}
	if count == 0 {
		return
	}
	var kinds []string
	for class, n := range classes {
		kinds = append(kinds, fmt.Sprintf("%d %s", n, class))
	}
	slices.Sort(kinds)
	f := Finding{Path: e.t.Profile.CrashDir(), Have: fmt.Sprintf("%s, the last at %s", strings.Join(kinds, ", "), last.UTC().Format(time.RFC3339)), Want: "none", Fix: "see them with: " + e.command("crashes")}
	if count-classes[instance.ClassKilled] >= crashesMany { // one that somebody killed says nothing of the gateway
		f.Severity = Warning
	}
	e.add(CrashesRecent, ViewRunning, f)
}
