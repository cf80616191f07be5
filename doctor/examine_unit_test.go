package doctor

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/servicegen"
)

func unitExams() []exam {
	state := func(s servicegen.FileState) func(*testing.T, *Target, *Observation) {
		return func(_ *testing.T, _ *Target, o *Observation) { o.Disk.State, o.Disk.Raw = s, nil }
	}
	edit := func(old, text string) func(*testing.T, *Target, *Observation) {
		return func(t *testing.T, g *Target, o *Observation) { disk(t, g, o, old, text) }
	}
	raw := func(text string) func(*testing.T, *Target, *Observation) {
		return func(_ *testing.T, _ *Target, o *Observation) { o.Disk.Raw = []byte(text) }
	}
	return []exam{
		{"never installed", func(_ *testing.T, _ *Target, o *Observation) {
			o.Disk.State = servicegen.FileMissing
			o.State = servicegen.State{LoadState: servicegen.LoadNotFound}
			o.Process, o.Supervisor = nil, nil
		}, []Code{NotInstalled}},
		{"deleted", state(servicegen.FileMissing), []Code{UnitDeleted}},
		{"empty", state(servicegen.FileEmpty), []Code{UnitEmpty}},
		{"masked", state(servicegen.FileMasked), []Code{UnitMasked}},
		{"masked elsewhere", func(_ *testing.T, _ *Target, o *Observation) { o.State.LoadState = servicegen.LoadMasked }, []Code{UnitMasked}},
		{"dangling", state(servicegen.FileDangling), []Code{UnitDangling}},
		{"directory", state(servicegen.FileDirectory), []Code{UnitNotFile}},
		{"pipe", func(_ *testing.T, _ *Target, o *Observation) {
			o.Disk.State, o.Disk.Mode = servicegen.FileSpecial, fs.ModeNamedPipe
		}, []Code{UnitNotFile}},
		{"unreadable", func(_ *testing.T, _ *Target, o *Observation) {
			o.Disk.State, o.Disk.Err = servicegen.FileUnreadable, fs.ErrPermission
		}, []Code{UnitUnreadable}},
		{"unparsable", func(_ *testing.T, _ *Target, o *Observation) { o.Disk.Raw = append(o.Disk.Raw, "[Serv\n"...) }, []Code{UnitUnparsable}},
		{"line too long", func(_ *testing.T, _ *Target, o *Observation) {
			o.Disk.Raw = append(o.Disk.Raw, "# "+strings.Repeat("x", 1<<20)+"\n"...)
		}, []Code{UnitUnparsable}},
		{"one MiB", func(_ *testing.T, _ *Target, o *Observation) {
			o.Disk.Raw = append(o.Disk.Raw, strings.Repeat("# "+strings.Repeat("x", 997)+"\n", 1<<10)...)
		}, nil},
		{"Windows", func(_ *testing.T, _ *Target, o *Observation) {
			o.Disk.Raw = []byte("\ufeff" + strings.ReplaceAll(string(o.Disk.Raw), "\n", "\r\n") + "\x00")
		}, []Code{UnitBytes}},
		{"a link", func(_ *testing.T, _ *Target, o *Observation) { o.Disk.Link = "/dots/x.service" }, []Code{UnitLink}},
		{"writable by others", func(_ *testing.T, _ *Target, o *Observation) { o.Disk.Mode = 0o666 }, []Code{UnitMode}},
		{"foreign", raw("[Service]\nExecStart=/bin/x --token " + canary + "\n"), []Code{UnitForeign}},
		{"of another registry", func(_ *testing.T, _ *Target, o *Observation) { o.Stranger = errors.New("it runs another") }, []Code{UnitOtherRegistry}},
		{"of the Node product", raw("[Service]\nExecStart=/usr/bin/node /x/coderclaw.js gateway --port 19001 --token " + canary + "\nEnvironment=CODERCLAW_SERVICE_MARKER=coderclaw CODERCLAW_GATEWAY_TOKEN=" + canary + "\n"), []Code{UnitNode}},
		{"shadowed", func(_ *testing.T, _ *Target, o *Observation) { o.LoadedFrom = "/etc/systemd/user/x.service" }, []Code{UnitShadowed}},
		{"disabled", func(_ *testing.T, _ *Target, o *Observation) { o.State.UnitFileState = "disabled" }, []Code{UnitDisabled}},
		{"enabled by the name of what its link leads to", func(_ *testing.T, g *Target, o *Observation) {
			o.Disk.Link, o.State.UnitFileState = "/srv/real.service", "alias"
		}, []Code{UnitLink}},
		{"link of the target gone", func(_ *testing.T, _ *Target, o *Observation) { o.Disk.Targets = nil }, []Code{UnitDisabled}},
		{"enabled for another target", func(_ *testing.T, _ *Target, o *Observation) { o.Disk.Targets = []string{"multi-user.target"} }, []Code{UnitDisabled}},
		{"disabled without a bus", func(_ *testing.T, _ *Target, o *Observation) {
			o.Disk.Targets, o.StateErr = nil, servicegen.ErrNoBus
		}, []Code{UnitDisabled, ManagerGone}},
		{"exec is sleep", edit(`"/bin/sh" supervisor run --profile dev`, "sleep 1000"), []Code{UnitExecDrift}},
		{"wrong profile", edit("--profile dev", "--profile rescue"), []Code{UnitWrongProfile}},
		{"other program", edit(`"/bin/sh"`, `"/usr/bin/coderclaw"`), []Code{UnitProgram}},
		{"other variable", edit("Environment=", "Environment=CODERCLAW_PROFILE=x "), []Code{UnitEnvExtra}},
		{"other registry", edit("CODERCLAW_REGISTRY=/r.toml", "CODERCLAW_REGISTRY=/s.toml"), []Code{UnitEnvDrift}},
		{"port", edit("Environment=", "Environment=CODERCLAW_GATEWAY_PORT=1 "), []Code{UnitPort}},
		{"token", edit("Environment=", "Environment=CODERCLAW_GATEWAY_TOKEN="+canary+" "), []Code{UnitSecret}},
		{"token in argv", edit("--profile dev", "--profile dev --token "+canary), []Code{UnitSecret}},
		{"foreign secret", edit("[Install]", "Environment=OPENAI_API_KEY="+canary+"\n\n[Install]"), []Code{UnitSecret}},
		{"key missing", edit("KillMode=mixed\n", ""), []Code{UnitKeyMissing}},
		{"key drift", edit("Restart=on-failure", "Restart=always"), []Code{UnitKeyDrift}},
		{"key extra", func(t *testing.T, g *Target, o *Observation) {
			g.Unit.Scope, g.Spec.Scope = servicegen.ScopeSystem, servicegen.ScopeSystem
			text, err := g.Spec.Render()
			if err != nil {
				t.Fatal(err)
			}
			o.Disk.Raw = []byte(strings.Replace(string(text), "Restart=", "User=ann\nRestart=", 1))
			o.Disk.Targets = []string{"multi-user.target"}
			load(t, g, o)
		}, []Code{UnitKeyExtra}},
		{"of an older version", func(t *testing.T, g *Target, o *Observation) {
			old := g.Spec
			old.Version, old.Description = "0.9", "CoderClaw Gateway (profile: dev, v0.9)"
			text, err := old.Render()
			if err != nil {
				t.Fatal(err)
			}
			o.Disk.Raw = text
			load(t, g, o)
		}, []Code{UnitOutdated}},
		{"drain of the registry raised", func(t *testing.T, g *Target, o *Observation) {
			g.Profile.Drain *= 2
			g.Spec.StopTimeout = g.Profile.StopTimeout()
		}, []Code{UnitStopClock}},
		{"stop clock", edit("TimeoutStopSec=45", "TimeoutStopSec=10"), []Code{UnitStopClock}},
		{"stop clock still long enough", edit("TimeoutStopSec=45", "TimeoutStopSec=40"), []Code{UnitKeyDrift}},
		{"no start limit", edit("StartLimitIntervalSec=60", "StartLimitIntervalSec=0"), []Code{UnitStartLimit}},
		{"start limit never reached", edit("StartLimitIntervalSec=60", "StartLimitIntervalSec=5"), []Code{UnitStartLimit}},
		{"foreign setting", edit("[Service]", "[Service]\nNice=5"), []Code{UnitForeignKey}},
		{"harmful settings", edit("[Service]", "[Service]\nRuntimeMaxSec=1h\nUser=ann\nRemainAfterExit=yes\nRestartForceExitStatus=78"), []Code{UnitHazard, UnitHazard, UnitHazard, UnitHazard}},
		{"harmful settings off", edit("[Service]", "[Service]\nRuntimeMaxSec=infinity\nRemainAfterExit=no"), []Code{UnitForeignKey}},
		{"stale", func(_ *testing.T, _ *Target, o *Observation) { o.State.NeedReload = true }, []Code{UnitStale}},
		{"stale by value", func(_ *testing.T, _ *Target, o *Observation) { o.State.View.Values["Restart"] = "no" }, []Code{UnitStale}},
		{"no manager", func(_ *testing.T, _ *Target, o *Observation) { o.StateErr = servicegen.ErrNoBus }, []Code{ManagerGone}},
		{"no manager for another reason", func(_ *testing.T, _ *Target, o *Observation) { o.StateErr = errors.New("timeout") }, []Code{ManagerGone}},
	}
}

// TestShadowedByNothing: who looks with another HOME than the manager's is not told
// to remove the service.
func TestShadowedByNothing(t *testing.T) {
	t.Parallel()
	g := target(t)
	o := healthy(t, g)
	o.LoadedFrom, o.Disk = "/home/c/.config/systemd/user/x.service", servicegen.OnDisk{Path: g.Unit.Path, State: servicegen.FileMissing}
	for _, f := range Examine(g, o) {
		if f.Code == UnitShadowed && !strings.Contains(f.Fix, "rm ") {
			return
		} else if f.Code == UnitShadowed {
			t.Error(f.Fix)
		}
	}
	t.Error("not found")
}

func TestDistinctIsNeverNil(t *testing.T) {
	t.Parallel()
	if Distinct(nil) == nil {
		t.Error("nil, which is null in JSON")
	}
}

// TestUnreadableFix: permissions are not to blame for what is too large.
func TestUnreadableFix(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]string{fs.ErrPermission: "chmod u+r", errors.New("larger than 16 MiB"): ".away"} {
		g := target(t)
		o := healthy(t, g)
		o.Disk.State, o.Disk.Err = servicegen.FileUnreadable, err
		if found := Examine(g, o); len(found) == 0 || found[0].Code != UnitUnreadable || !strings.Contains(found[0].Fix, want) {
			t.Errorf("%v: %+v", err, found)
		}
	}
}
