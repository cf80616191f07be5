package doctor

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor/control"
	"github.com/coderclaw/coderclaw/supervisor/crashes"
)

func runningExams() []exam {
	// down has the service in that state, with no process.
	down := func(active string, change func(*servicegen.State)) func(*testing.T, *Target, *Observation) {
		return func(_ *testing.T, _ *Target, o *Observation) {
			o.State.ActiveState, o.State.SubState, o.State.MainPID, o.Process, o.Supervisor = active, active, 0, nil, nil
			if change != nil {
				change(&o.State)
			}
		}
	}
	crashed := func(ages ...time.Duration) func(*testing.T, *Target, *Observation) {
		return func(_ *testing.T, _ *Target, o *Observation) {
			for _, age := range ages {
				o.Crashes = append(o.Crashes, crashes.Record{At: o.Now.Add(-age), Class: "crash"})
			}
		}
	}
	return []exam{
		{"failed", down("failed", nil), []Code{UnitFailed}},
		{"failed with 78", down("failed", func(s *servicegen.State) { s.Result, s.ExecMainStatus, s.NRestarts = "exit-code", 78, 1 }), []Code{UnitFailed}},
		{"start limit by name", down("failed", func(s *servicegen.State) { s.Result = "start-limit-hit" }), []Code{UnitStartLimitHit}},
		{"start limit by its traces", down("failed", func(s *servicegen.State) { s.Result, s.ExecMainStatus, s.NRestarts = "exit-code", 1, 5 }), []Code{UnitStartLimitHit}},
		{"restarting", down("activating", func(s *servicegen.State) { s.SubState, s.Result, s.ExecMainStatus = "auto-restart", "exit-code", 203 }), []Code{UnitRestarting}},
		{"restarting, on its next try", down("activating", func(s *servicegen.State) { s.SubState, s.Result, s.NRestarts = "start", "success", 1 }), []Code{UnitRestarting}},
		{"starting", down("activating", func(s *servicegen.State) { s.SubState, s.Result = "start", "success" }), nil},
		{"stopped", down("inactive", nil), []Code{UnitStopped}},
		{"stopped as asked", func(t *testing.T, g *Target, o *Observation) {
			down("inactive", nil)(t, g, o)
			o.Wish = control.WantStopped
		}, nil},
		{"old process", func(_ *testing.T, _ *Target, o *Observation) {
			o.Process.Argv = []string{"sleep", "--password=" + canary}
		}, []Code{UnitOldProcess}},
		{"runs elsewhere", func(_ *testing.T, _ *Target, o *Observation) { o.Supervisor = nil }, []Code{UnitElsewhere}},
		{"another credential than the config's", func(_ *testing.T, _ *Target, o *Observation) {
			applied := o.Config.Config.Gateway.Auth
			applied.Token = canary
			o.Applied = &applied
		}, []Code{CredentialNotApplied}},
		{"stopped for a moment", func(_ *testing.T, _ *Target, o *Observation) {
			o.Supervisor.Instances[0].State, o.Supervisor.Instances[0].Since = instance.Stopped, o.Now.Add(-time.Second)
		}, nil},
		{"stopped for long", func(_ *testing.T, _ *Target, o *Observation) {
			o.Supervisor.Instances[0].State, o.Supervisor.Instances[0].Since = instance.Stopped, o.Now.Add(-time.Minute)
		}, []Code{InstanceDown}},
		{"the same credential", func(_ *testing.T, _ *Target, o *Observation) {
			applied := o.Config.Config.Gateway.Auth
			o.Applied = &applied
		}, nil},
		{"mute", func(_ *testing.T, _ *Target, o *Observation) {
			o.Supervisor, o.MutePID, o.MuteErr = nil, 7, errors.New("no answer")
		}, []Code{SupervisorMute}},
		{"supervisor by hand", func(t *testing.T, g *Target, o *Observation) {
			sup := *o.Supervisor
			sup.Supervisor.PID, sup.Supervisor.Unit = os.Getpid(), ""
			down("inactive", nil)(t, g, o)
			o.Supervisor = &sup
		}, []Code{SupervisorByHand}},
		{"supervisor of another unit", func(t *testing.T, g *Target, o *Observation) {
			sup := *o.Supervisor
			sup.Supervisor.PID, sup.Supervisor.Unit = os.Getpid(), "all.service"
			down("inactive", nil)(t, g, o)
			o.Supervisor = &sup
		}, []Code{SupervisorByHand}},
		{"gateway by hand", func(t *testing.T, g *Target, o *Observation) {
			down("failed", nil)(t, g, o)
			o.Gateway = os.Getpid()
		}, []Code{UnitFailed, GatewayByHand}},
		{"other version", func(_ *testing.T, _ *Target, o *Observation) { o.Supervisor.Supervisor.Version = "0.9" }, []Code{VersionSkew}},
		{"blocked", func(_ *testing.T, _ *Target, o *Observation) { o.Supervisor.Instances[0].State = instance.Blocked }, []Code{InstanceDown}},
		{"stopped instance as asked", func(_ *testing.T, _ *Target, o *Observation) {
			o.Supervisor.Instances[0].State, o.Wish = instance.Stopped, control.WantStopped
		}, nil},
		{"quarantined", func(_ *testing.T, _ *Target, o *Observation) { o.Supervisor.Instances[0].State = instance.Quarantined }, []Code{InstanceQuarantine}},
		{"degraded", func(_ *testing.T, _ *Target, o *Observation) { o.Supervisor.Instances[0].Degraded = "line 3: no" }, []Code{ConfigDegraded}},
		{"crashed once", crashed(time.Hour), []Code{CrashesRecent}},
		{"crashed long ago", crashed(25*time.Hour, 30*time.Hour), nil},
		{"crashed in the future", crashed(-time.Hour), nil},
		{"crashed often", crashed(time.Hour, 2*time.Hour, 3*time.Hour, 4*time.Hour, 5*time.Hour), []Code{CrashesRecent}},
	}
}

func TestManyCrashesAreAWarning(t *testing.T) {
	t.Parallel()
	g := target(t)
	o := healthy(t, g)
	for n := range 5 {
		found := Examine(g, o)
		if n > 0 && (len(found) != 1 || found[0].Severity != Info || found[0].Left()) {
			t.Errorf("%d crashes: %+v", n, found)
		}
		o.Crashes = append(o.Crashes, crashes.Record{At: o.Now, Class: "oom"})
	}
	if found := Examine(g, o); len(found) != 1 || found[0].Severity != Warning || !found[0].Left() {
		t.Errorf("five crashes: %+v", found)
	}
}
