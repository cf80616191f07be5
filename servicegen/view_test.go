package servicegen

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// loadedProps is what a user manager of systemd 252 answered for the unit of
// profile rescue, as go-systemd hands it out, cut to the keys that are read.
func loadedProps() map[string]any {
	argv := []string{"/usr/local/bin/coderclaw", "supervisor", "run", "--profile", "rescue"}
	return map[string]any{
		"LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled", "Result": "success",
		"FragmentPath": "/home/ann/.config/systemd/user/coderclaw-gateway-rescue.service", "DropInPaths": []string{},
		"NeedDaemonReload": false, "MainPID": uint32(116), "NRestarts": uint32(2), "ExecMainStatus": int32(0), "ExecMainCode": int32(0),
		"Description": "CoderClaw Gateway (profile: rescue, v0.1.0)",
		"ExecStart":   [][]any{{argv[0], argv, false, uint64(1795629809783257), uint64(15934588391), uint64(0), uint64(0), uint32(116), int32(0), int32(0)}},
		"ExecStartEx": [][]any{{argv[0], argv, []string{}, uint64(1795629809783257), uint64(15934588391), uint64(0), uint64(0), uint32(116), int32(0), int32(0)}},
		"Environment": []string{"CODERCLAW_REGISTRY=/home/ann/.config/coderclaw/profiles.toml"},
		"Delegate":    true, "DelegateControllers": []string{"cpu", "cpuset", "io", "memory", "pids"},
		"KillMode": "mixed", "NotifyAccess": "main", "Restart": "on-failure", "RestartUSec": uint64(1_000_000),
		"RestartPreventExitStatus": []any{[]int32{78}, []int32{}},
		"StartLimitBurst":          uint32(5), "StartLimitIntervalUSec": uint64(60_000_000), "TimeoutStopUSec": uint64(45_000_000),
		"Type": "notify", "UMask": uint32(0o077), "WatchdogUSec": uint64(30_000_000),
		"After": []string{"basic.target"}, "WantedBy": []string{"default.target"},
		"NoNewPrivileges": true, "RestrictRealtime": true, "SystemCallErrorNumber": int32(1),
		"RestrictAddressFamilies": []any{false, strings.Fields(strings.TrimPrefix(rareFamilies, "~"))},
	}
}

func rescueDisk(t *testing.T) View {
	t.Helper()
	v, err := ForProfile(profile("rescue"), options(FormatSystemd)).View()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestStateOfLoadedUnit(t *testing.T) {
	t.Parallel()
	got := stateOf(ScopeUser, loadedProps())
	if d := Diff(rescueDisk(t), got.View); len(d) > 0 {
		t.Errorf("disk and loaded differ: %v", d)
	}
	got.View = View{}
	want := State{
		LoadState: "loaded", ActiveState: "active", SubState: "running", UnitFileState: "enabled", Result: "success",
		FragmentPath: "/home/ann/.config/systemd/user/coderclaw-gateway-rescue.service", DropIns: []string{},
		MainPID: 116, NRestarts: 2, Type: "notify",
		Exec: []string{"/usr/local/bin/coderclaw", "supervisor", "run", "--profile", "rescue"},
		Env:  []EnvVar{{"CODERCLAW_REGISTRY", "/home/ann/.config/coderclaw/profiles.toml"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if !got.Running() || !got.Enabled() {
		t.Error("running and enabled, but says otherwise")
	}
}

func TestDiffOfDiskAndLoaded(t *testing.T) {
	t.Parallel()
	shell := []string{"/bin/sh", "-c", `exec "$$0" "$$@"`, "/usr/local/bin/coderclaw", "supervisor", "run", "--profile", "rescue"}
	sleep := []string{"/bin/sleep", "1"}
	for name, tc := range map[string]struct {
		props map[string]any
		disk  map[string]string // changes to what the file says; "" removes
		want  []Difference
	}{
		"another program": {
			props: map[string]any{"ExecStartEx": [][]any{{"/bin/sleep", sleep, []string{"ignore-failure", "no-env-expand"}}}},
			want:  []Difference{{"ExecStart", `"/usr/local/bin/coderclaw" supervisor run --profile rescue`, `"-:/bin/sleep" 1`}},
		},
		"older manager": {
			props: map[string]any{"ExecStartEx": nil, "ExecStart": [][]any{{"/bin/sleep", []string{"zzz", "50%"}, true}}},
			want:  []Difference{{"ExecStart", `"/usr/local/bin/coderclaw" supervisor run --profile rescue`, `"@-/bin/sleep" zzz "50%%"`}},
		},
		"through the shell":     {props: map[string]any{"ExecStartEx": [][]any{{"/bin/sh", shell, []string{}}}}},
		"two commands":          {props: map[string]any{"ExecStartEx": [][]any{{"/bin/sleep", sleep, []string{}}, {"/bin/sleep", sleep, []string{}}}}, want: []Difference{{"ExecStart", `"/usr/local/bin/coderclaw" supervisor run --profile rescue`, `"/bin/sleep" 1 ; "/bin/sleep" 1`}}},
		"variable not reloaded": {props: map[string]any{"Environment": []string{"CODERCLAW_REGISTRY=/home/ann/.config/coderclaw/profiles.toml", "CODERCLAW_X=50%", "LANG=C"}}, want: []Difference{{"Environment[CODERCLAW_X]", "", "50%%"}}},
		"variable removed":      {props: map[string]any{"Environment": []string{}}, want: []Difference{{"Environment[CODERCLAW_REGISTRY]", "/home/ann/.config/coderclaw/profiles.toml", ""}}},
		"watchdog while down":   {props: map[string]any{"WatchdogUSec": uint64(1<<64 - 1)}},
		"no stop time-out":      {props: map[string]any{"TimeoutStopUSec": uint64(1<<64 - 1)}, want: []Difference{{"TimeoutStopSec", "45s", "infinity"}}},
		"signals":               {props: map[string]any{"RestartPreventExitStatus": []any{[]int32{78, 1}, []int32{9, 15, 35}}}, want: []Difference{{"RestartPreventExitStatus", "78", "1 78 SIGKILL SIGRTMIN+1 SIGTERM"}}},
		"default of a missing key": {
			props: map[string]any{"KillMode": "control-group", "RestartUSec": uint64(100_000), "UMask": uint32(0o022)},
			disk:  map[string]string{"KillMode": "", "RestartSec": "", "UMask": ""},
		},
		"removed, not reloaded":       {disk: map[string]string{"KillMode": ""}, want: []Difference{{"KillMode", "", "mixed"}}},
		"specifier":                   {disk: map[string]string{"Description": "of %u"}},
		"some controllers":            {disk: map[string]string{"Delegate": "cpu memory"}},
		"privileges":                  {props: map[string]any{"NoNewPrivileges": false}, want: []Difference{{"NoNewPrivileges", "yes", "no"}}},
		"older manager of directives": {props: map[string]any{"NoNewPrivileges": nil, "RestrictRealtime": nil, "RestrictAddressFamilies": nil}},
		"not delegated":               {props: map[string]any{"Delegate": false}, want: []Difference{{"Delegate", "yes", "no"}}},
	} {
		props := loadedProps()
		for k, v := range tc.props {
			props[k] = v
		}
		disk := rescueDisk(t)
		for k, v := range tc.disk {
			disk.Values[k] = v
			if v == "" {
				delete(disk.Values, k)
			}
		}
		if d := cmp.Diff(tc.want, Diff(disk, stateOf(ScopeUser, props).View)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestStateOfUnitThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := stateOf(ScopeUser, map[string]any{"LoadState": "not-found", "ActiveState": "inactive", "SubState": "dead", "UnitFileState": "", "KillMode": "control-group"})
	if s.LoadState != LoadNotFound || s.Running() || s.Enabled() || len(s.View.Values) != 0 {
		t.Errorf("got %+v", s)
	}
}

func TestDropInsChangeTheEffectiveView(t *testing.T) {
	t.Parallel()
	text, err := ForProfile(profile("rescue"), options(FormatSystemd)).Systemd()
	if err != nil {
		t.Fatal(err)
	}
	have, err := ParseView(FormatSystemd, ScopeUser, text,
		[]byte("[Service]\nTimeoutStopSec=2min\nEnvironment=\nExecStart=\nExecStart=/bin/x\n"),
		[]byte("[Service]\nTimeoutStopSec=3min\nEnvironment=CODERCLAW_A=1\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Difference{
		{"Environment[CODERCLAW_A]", "", "1"},
		{"Environment[CODERCLAW_REGISTRY]", "/home/ann/.config/coderclaw/profiles.toml", ""},
		{"ExecStart", `"/usr/local/bin/coderclaw" supervisor run --profile rescue`, `"/bin/x"`},
		{"TimeoutStopSec", "45s", "180s"},
	}
	if d := cmp.Diff(want, Diff(rescueDisk(t), have)); d != "" {
		t.Error(d)
	}
}

func TestSecretsAreShownAsFingerprints(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"CODERCLAW_GATEWAY_TOKEN": "(secret, sha256 1ec1…)", "OPENAI_API_KEY": "(secret, sha256 1ec1…)", "db_password": "(secret, sha256 1ec1…)",
		"CODERCLAW_REGISTRY": "s3cret", "LANG": "s3cret",
	} {
		if got := ShowEnv(name, "s3cret"); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestOriginOf(t *testing.T) {
	t.Parallel()
	text, err := ForProfile(profile("default"), options(FormatSystemd)).Systemd()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		format Format
		src    string
		want   Origin
	}{
		"ours":              {FormatSystemd, string(text), Origin{OriginOurs, "0.1.0"}},
		"one line more":     {FormatSystemd, string(text) + "Alias=x.service\n", Origin{OriginEdited, "0.1.0"}},
		"behind a mark":     {FormatSystemd, "\xef\xbb\xbf" + string(text), Origin{OriginOurs, "0.1.0"}},
		"header removed":    {FormatSystemd, "[Service]\nExecStart=/x supervisor run --profile a\n", Origin{OriginEdited, ""}},
		"node with marker":  {FormatSystemd, "[Service]\nExecStart=/x\nEnvironment=CODERCLAW_SERVICE_MARKER=coderclaw\n", Origin{OriginNode, ""}},
		"node by command":   {FormatSystemd, "[Service]\nExecStart=/usr/bin/node /x/coderclaw/dist/entry.js gateway --port 1\n", Origin{OriginNode, ""}},
		"node plist":        {FormatLaunchd, "<plist><dict><key>EnvironmentVariables</key><dict><key>CODERCLAW_SERVICE_MARKER</key><string>coderclaw</string></dict></dict></plist>", Origin{OriginNode, ""}},
		"somebody's":        {FormatSystemd, "[Service]\nExecStart=/bin/sleep 1\n", Origin{OriginOther, ""}},
		"not a unit":        {FormatSystemd, "[Service\n", Origin{OriginOther, ""}},
		"not a plist":       {FormatLaunchd, "\x00\x01", Origin{OriginOther, ""}},
		"another's gateway": {FormatSystemd, "[Service]\nExecStart=/usr/bin/kong gateway\n", Origin{OriginOther, ""}},
	} {
		if got := OriginOf(tc.format, []byte(tc.src)); got != tc.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tc.want)
		}
	}
}
