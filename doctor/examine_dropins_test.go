package doctor

import (
	"errors"
	"testing"

	"github.com/coderclaw/coderclaw/servicegen"
)

func dropInExams() []exam {
	with := func(texts ...string) func(*testing.T, *Target, *Observation) {
		return func(t *testing.T, g *Target, o *Observation) {
			for i, text := range texts {
				o.DropIns = append(o.DropIns, servicegen.DropIn{Path: g.Unit.Path + ".d/" + string(rune('a'+i)) + ".conf", Raw: []byte(text)})
			}
			exec, process := o.State.Exec, o.Process
			load(t, g, o)
			o.State.Exec, o.Process = exec, process
		}
	}
	service := func(text string) func(*testing.T, *Target, *Observation) { return with("[Service]\n" + text + "\n") }
	return []exam{
		{"drop-in adds", service("Nice=5"), []Code{UnitDropIn}},
		{"drop-in repeats", service("Restart=on-failure"), []Code{UnitDropIn}},
		{"drop-in of comments", with("# nothing\n"), []Code{UnitDropIn}},
		{"drop-in describes", with("[Unit]\nDescription=mine\n"), []Code{UnitDropIn}},
		{"drop-in lengthens the stop", service("TimeoutStopSec=5min"), []Code{UnitDropIn}},
		{"drop-in of an endless stop", service("TimeoutStopSec=infinity"), []Code{UnitDropIn}},
		{"drop-in shortens the stop", service("TimeoutStopSec=5"), []Code{UnitStopClock}},
		{"drop-in starts another program", service("ExecStart=\nExecStart=/opt/other supervisor run --profile dev"), []Code{DropInOverride}},
		{"drop-in starts something else", service("ExecStart=\nExecStart=/bin/sleep 9"), []Code{DropInBreaks}},
		{"drop-in starts more", service("ExecStart=/bin/sleep 9"), []Code{DropInBreaks}},
		{"drop-in starts something else, loaded", func(t *testing.T, g *Target, o *Observation) {
			service("ExecStart=\nExecStart=/bin/sleep 9")(t, g, o)
			o.State.Exec = []string{"/bin/sleep", "9"}
		}, []Code{DropInBreaks}},
		{"drop-in simple", service("Type=simple"), []Code{DropInOverride}},
		{"drop-in oneshot", service("Type=oneshot"), []Code{DropInBreaks}},
		{"drop-in notify-reload", service("Type=notify-reload"), []Code{UnitDropIn}},
		{"drop-in deaf", service("NotifyAccess=none"), []Code{DropInBreaks}},
		{"drop-in without restart", service("Restart=no"), []Code{DropInOverride}},
		{"drop-in restarts always", service("Restart=always"), []Code{DropInOverride}},
		{"drop-in restarts on 78", service("RestartPreventExitStatus="), []Code{DropInOverride}},
		{"drop-in leaves children", service("KillMode=process"), []Code{DropInOverride}},
		{"drop-in kills all", service("KillMode=control-group"), []Code{DropInOverride}},
		{"drop-in without groups", service("Delegate=no"), []Code{DropInOverride}},
		{"drop-in without watchdog", service("WatchdogSec=0"), []Code{DropInOverride}},
		{"drop-in open", service("UMask=0022"), []Code{DropInOverride}},
		{"drop-in of another registry", service("Environment=CODERCLAW_REGISTRY=/other.toml"), []Code{DropInBreaks}},
		{"drop-in port", service("Environment=CODERCLAW_GATEWAY_PORT=9"), []Code{UnitPort}},
		{"drop-in variable", service("Environment=CODERCLAW_PROFILE=x"), []Code{UnitEnvExtra}},
		{"drop-in token", service("Environment=CODERCLAW_GATEWAY_TOKEN=" + canary), []Code{UnitSecret}},
		{"drop-in key", service("Environment=OPENAI_API_KEY=" + canary), []Code{UnitSecret}},
		{"drop-in harms", service("RuntimeMaxSec=60"), []Code{UnitHazard}},
		{"drop-in without limit", with("[Unit]\nStartLimitIntervalSec=0\n"), []Code{UnitDropIn, UnitStartLimit}},
		{"drop-in outlasts the limit", service("RestartSec=60"), []Code{UnitDropIn, UnitStartLimit}},
		{"changed and changed back", with("[Service]\nRestart=no\n", "[Service]\nRestart=on-failure\n"), []Code{UnitDropIn, UnitDropIn}},
		{"drop-in unreadable, which makes the unit bad", func(_ *testing.T, g *Target, o *Observation) {
			o.DropIns = []servicegen.DropIn{{Path: g.Unit.Path + ".d/a.conf", Err: errors.New("not a file")}}
			o.State.UnitFileState = "bad"
		}, []Code{DropInBad}},
		{"drop-in unreadable", func(_ *testing.T, g *Target, o *Observation) {
			o.DropIns = []servicegen.DropIn{{Path: g.Unit.Path + ".d/a.conf", Err: errors.New("not a file")}}
		}, []Code{DropInBad}},
		{"drop-in broken", with("[Serv", "[Service]\nRestart=no\n"), []Code{DropInBad, DropInOverride}},
	}
}

// TestStaleByDropIn: what reading the unit again does not change is not planned, time
// after time.
func TestStaleByDropIn(t *testing.T) {
	t.Parallel()
	g := target(t)
	o := healthy(t, g)
	o.DropIns = []servicegen.DropIn{{Path: g.Unit.Path + ".d/a.conf", Err: errors.New("not a file")}}
	o.State.NeedReload = true
	found := Examine(g, o)
	p, err := MakePlan(g, o, found, PlanOptions{})
	if err != nil || !p.Empty() || len(found) != 2 || found[1].Code != UnitStale {
		t.Errorf("%v, %+v, %+v", err, p, found)
	}
}
