package servicegen

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestLaunchctlPrint(t *testing.T) {
	t.Parallel()
	running := parseLaunchPrint(readFile(t, "launchctl/print-running.txt")).state()
	want := State{
		LoadState: "loaded", ActiveState: "active", SubState: "running", Result: "success", NRestarts: 2, MainPID: 4711,
		FragmentPath: "/Users/ann/Library/LaunchAgents/ai.coderclaw.gateway.plist",
		Exec:         []string{"/usr/local/bin/coderclaw", "supervisor", "run", "--profile", "default"},
		Env: []EnvVar{
			{"CODERCLAW_REGISTRY", "/Users/ann/Library/Application Support/coderclaw/profiles.toml"},
			{"OPENAI_API_KEY", "(secret, sha256 1ec1…)"}, {"XPC_SERVICE_NAME", "ai.coderclaw.gateway"},
		},
		View: View{Format: FormatLaunchd, Loaded: true, Values: map[string]string{
			"ProgramArguments":                         `"/usr/local/bin/coderclaw" supervisor run --profile default`,
			"EnvironmentVariables[CODERCLAW_REGISTRY]": "/Users/ann/Library/Application Support/coderclaw/profiles.toml",
			"StandardOutPath":                          "/Users/ann/.coderclaw/logs/gateway.log",
			"StandardErrorPath":                        "/Users/ann/.coderclaw/logs/gateway.err.log",
			"ThrottleInterval":                         "10", "ExitTimeOut": "45",
		}},
	}
	if d := cmp.Diff(want, running); d != "" {
		t.Error(d)
	}
	failed := parseLaunchPrint(readFile(t, "launchctl/print-failed.txt")).state()
	if failed.ActiveState != "failed" || failed.ExecMainStatus != 78 || failed.Result != "exit-code" || failed.MainPID != 0 || failed.NRestarts != 8 {
		t.Errorf("failed job: got %+v", failed)
	}
	if empty := parseLaunchPrint([]byte("}\n}\n = {\n")).state(); empty.ActiveState != "inactive" {
		t.Errorf("nonsense: got %+v", empty)
	}
}

func TestLoadedPlistIsHeldAgainstTheFile(t *testing.T) {
	t.Parallel()
	o := options(FormatLaunchd)
	o.RegistryPath = "/Users/ann/Library/Application Support/coderclaw/profiles.toml"
	p := profile("default")
	p.StateDir = "/Users/ann/.coderclaw"
	disk, err := ForProfile(p, o).View()
	if err != nil {
		t.Fatal(err)
	}
	loaded := parseLaunchPrint(readFile(t, "launchctl/print-running.txt")).state().View
	if d := Diff(disk, loaded); len(d) > 0 {
		t.Errorf("differ: %v", d)
	}
	loaded.Values["ExitTimeOut"] = "5"
	delete(loaded.Values, "ProgramArguments")
	want := []Difference{{"ExitTimeOut", "45", "5"}, {"ProgramArguments", `"/usr/local/bin/coderclaw" supervisor run --profile default`, ""}}
	if d := cmp.Diff(want, Diff(disk, loaded)); d != "" {
		t.Error(d)
	}
}

func TestPrintDisabled(t *testing.T) {
	t.Parallel()
	text := []byte("disabled services = {\n\t\"a\" => disabled\n\t\"b\" => enabled\n\t\"c\" => true\n\t\"d\" => false\n\t\"a.b\" => disabled\n}\n")
	for label, want := range map[string]bool{"a": true, "b": false, "c": true, "d": false, "e": false, "b.a": false} {
		if got := isDisabled(text, label); got != want {
			t.Errorf("%s: got %v", label, got)
		}
	}
}

// A transcript is one exchange with launchctl a line: "args -> code", then after
// a second arrow what it prints; "@name" is a file of testdata/launchctl, and
// "pid N" the print of a running job.
func replay(t *testing.T, transcript string) Runner {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(transcript), "\n")
	t.Cleanup(func() {
		if len(lines) > 0 && !t.Failed() {
			t.Errorf("launchctl was not asked: %q", lines)
		}
	})
	return func(_ context.Context, args ...string) ([]byte, []byte, int, error) {
		if len(lines) == 0 {
			t.Errorf("after the transcript: launchctl %q", args)
			return nil, nil, 1, nil
		}
		parts := strings.Split(strings.TrimSpace(lines[0]), " -> ")
		lines = lines[1:]
		if got := strings.Join(args, " "); got != parts[0] {
			t.Errorf("launchctl %s: the transcript says %s", got, parts[0])
			return nil, nil, 1, nil
		}
		code := 0
		for _, c := range parts[1] {
			code = 10*code + int(c-'0')
		}
		out := ""
		if len(parts) > 2 {
			out = parts[2]
		}
		if name, ok := strings.CutPrefix(out, "@"); ok {
			out = string(readFile(t, "launchctl/"+name))
		}
		if pid, ok := strings.CutPrefix(out, "pid "); ok {
			out = "gui/501/L = {\n\tpath = /P\n\tstate = running\n\tpid = " + pid + "\n}\n"
		}
		if code != 0 {
			return nil, []byte(out), code, nil
		}
		return []byte(out), nil, 0, nil
	}
}

const waiting = "x = {\n\tpath = /P\n\tstate = waiting\n\tlast exit code = 1\n}\n"

func TestLaunchctlVerbs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name       string
		do         func(Host, context.Context, Unit) error
		transcript string
		fails      string
	}{
		{"start what is not loaded", Host.Start, `
			print gui/501/L -> 113
			print user/501/L -> 113
			print gui/501 -> 0
			enable gui/501/L -> 0
			bootstrap gui/501 /P -> 0
			kickstart gui/501/L -> 0
			print gui/501/L -> 0 -> pid 7`, ""},
		{"start without a desktop", Host.Start, `
			print gui/501/L -> 125
			print user/501/L -> 113
			print gui/501 -> 125
			enable user/501/L -> 0
			bootstrap user/501 /P -> 0
			kickstart user/501/L -> 0
			print user/501/L -> 0 -> pid 7`, ""},
		{"start while the label is torn down", Host.Start, `
			print gui/501/L -> 113
			print user/501/L -> 112
			print gui/501 -> 0
			enable gui/501/L -> 0
			bootstrap gui/501 /P -> 5 -> Bootstrap failed: 5: Input/output error
			print gui/501/L -> 113
			bootstrap gui/501 /P -> 37 -> Bootstrap failed: 37: Operation already in progress
			print gui/501/L -> 113
			bootstrap gui/501 /P -> 0
			kickstart gui/501/L -> 37
			print gui/501/L -> 0 -> pid 7`, ""},
		{"start finds it loaded after all", Host.Start, `
			print gui/501/L -> 113
			print user/501/L -> 113
			print gui/501 -> 0
			enable gui/501/L -> 0
			bootstrap gui/501 /P -> 5
			print gui/501/L -> 0 -> pid 7
			kickstart gui/501/L -> 0
			print gui/501/L -> 0 -> pid 7`, ""},
		{"start uses the domain that has the job", Host.Start, `
			print gui/501/L -> 113
			print user/501/L -> 0 -> pid 7
			kickstart user/501/L -> 0
			print user/501/L -> 0 -> pid 7`, ""},
		{"start refused", Host.Start, `
			print gui/501/L -> 113
			print user/501/L -> 113
			print gui/501 -> 0
			enable gui/501/L -> 0
			bootstrap gui/501 /P -> 133 -> Bootstrap failed: 133: Service is disabled`, "launchctl bootstrap gui/501 /P: exit code 133: Bootstrap failed: 133: Service is disabled"},
		{"stop", Host.Stop, `
			print gui/501/L -> 0 -> pid 7
			bootout gui/501/L -> 0
			print gui/501/L -> 0 -> pid 7
			print gui/501/L -> 0 -> pid 7
			print gui/501/L -> 113
			print user/501/L -> 113`, ""},
		{"stop what is not loaded", Host.Stop, `
			print gui/501/L -> 113
			print user/501/L -> 113`, ""},
		{"stop of one that goes by itself", Host.Stop, `
			print gui/501/L -> 0 -> pid 7
			bootout gui/501/L -> 3 -> Boot-out failed: 3: No such process
			print gui/501/L -> 113
			print user/501/L -> 113`, ""},
		{"restart keeps the job loaded", Host.Restart, `
			print gui/501/L -> 0 -> pid 7
			kill SIGTERM gui/501/L -> 0
			print gui/501/L -> 0 -> pid 7
			print gui/501/L -> 0 -> ` + strings.ReplaceAll(waiting, "\n", "\v") + `
			kickstart gui/501/L -> 0
			print gui/501/L -> 0 -> pid 8`, ""},
		{"restart of one that is down", Host.Restart, `
			print gui/501/L -> 0 -> @print-failed.txt
			print gui/501/L -> 0 -> @print-failed.txt
			kickstart gui/501/L -> 0
			print gui/501/L -> 0 -> pid 8`, ""},
		{"reload of a loaded job", func(h Host, ctx context.Context, u Unit) error { return h.Reload(ctx, u) }, `
			print gui/501/L -> 0 -> pid 7
			enable gui/501/L -> 0
			bootout gui/501/L -> 37
			print gui/501/L -> 113
			enable gui/501/L -> 0
			bootstrap gui/501 /P -> 0`, ""},
		{"reload of one that is not", Host.Reload, `
			print gui/501/L -> 113
			print user/501/L -> 113
			print gui/501 -> 0`, ""},
		{"enable", Host.Enable, `
			print gui/501/L -> 0 -> pid 7
			enable gui/501/L -> 0`, ""},
		{"disable", Host.Disable, `
			print gui/501/L -> 0 -> pid 7
			disable gui/501/L -> 0`, ""},
		{"unexpected answer", Host.Enable, `
			print gui/501/L -> 64 -> usage`, "exit code 64: usage"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			transcript := strings.ReplaceAll(tc.transcript, "\t\t\t", "")
			synctest.Test(t, func(t *testing.T) {
				run := replay(t, transcript)
				h := NewLaunchctl(HostOptions{UID: 501, Run: func(ctx context.Context, args ...string) ([]byte, []byte, int, error) {
					out, text, code, err := run(ctx, args...)
					return []byte(strings.ReplaceAll(string(out), "\v", "\n")), text, code, err
				}})
				err := tc.do(h, t.Context(), Unit{Name: "L", Path: "/P", Scope: ScopeUser})
				if (err == nil) != (tc.fails == "") || (err != nil && !strings.Contains(err.Error(), tc.fails)) {
					t.Errorf("got %v, want %q", err, tc.fails)
				}
			})
		})
	}
}

// always answers from a table of commands, for as long as it is asked.
func always(answers map[string]string, codes map[string]int, asked *[]string) Runner {
	return func(_ context.Context, args ...string) ([]byte, []byte, int, error) {
		line := strings.Join(args, " ")
		*asked = append(*asked, line)
		return []byte(answers[line]), nil, codes[line], nil
	}
}

func TestLaunchctlGivesUp(t *testing.T) {
	t.Parallel()
	alive := "x = {\n\tpath = /P\n\tstate = running\n\tpid = 7\n}\n"
	unit := Unit{Name: "L", Path: "/P", Scope: ScopeUser, Spec: Spec{StopTimeout: 45 * time.Second}}
	t.Run("job stays loaded", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var asked []string
			h := NewLaunchctl(HostOptions{UID: 501, Run: always(map[string]string{"print gui/501/L": alive}, nil, &asked)})
			began := time.Now()
			err := h.Stop(t.Context(), unit)
			if _, ok := errors.AsType[*JobError](err); !ok || time.Since(began) != 50*time.Second {
				t.Errorf("got %v after %v", err, time.Since(began))
			}
		})
	})
	t.Run("no process comes up", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var asked []string
			h := NewLaunchctl(HostOptions{UID: 501, Run: always(map[string]string{"print gui/501/L": waiting}, nil, &asked)})
			err := h.Start(t.Context(), unit)
			if err == nil || !strings.Contains(err.Error(), "no process came up (state waiting, last exit code 1)") {
				t.Errorf("got %v", err)
			}
		})
	})
	t.Run("process that ignores the request is killed", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var asked []string
			h := NewLaunchctl(HostOptions{UID: 501, Run: always(map[string]string{"print gui/501/L": alive}, nil, &asked)})
			if err := h.Restart(t.Context(), unit); err != nil {
				t.Error(err)
			}
			if got := strings.Join(asked, "\n"); !strings.Contains(got, "kill SIGTERM gui/501/L\n") || !strings.Contains(got, "kickstart -k gui/501/L\n") || strings.Contains(got, "bootout") {
				t.Errorf("asked %s", got)
			}
		})
	})
	t.Run("caller goes away", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var asked []string
			h := NewLaunchctl(HostOptions{UID: 501, Run: always(map[string]string{"print gui/501/L": alive}, nil, &asked)})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := h.Stop(ctx, unit); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	})
}

func TestLaunchctlState(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plist := filepath.Join(dir, "ai.coderclaw.gateway.plist")
	unit := Unit{Name: "ai.coderclaw.gateway", Path: plist, Scope: ScopeUser}
	var asked []string
	h := NewLaunchctl(HostOptions{UID: 501, Run: always(map[string]string{
		"print gui/501/ai.coderclaw.gateway": string(readFile(t, "launchctl/print-running.txt")),
		"print-disabled gui/501":             "disabled services = {\n\t\"ai.coderclaw.gateway\" => disabled\n}\n",
	}, nil, &asked)})
	s, err := h.State(t.Context(), unit)
	if err != nil || s.Domain != "gui/501" || s.UnitFileState != "disabled" || s.MainPID != 4711 {
		t.Errorf("got %+v, %v", s, err)
	}
	codes := map[string]int{"print gui/501/ai.coderclaw.gateway": 125, "print user/501/ai.coderclaw.gateway": 113, "print gui/501": 125}
	h = NewLaunchctl(HostOptions{UID: 501, Run: always(nil, codes, &asked)})
	s, err = h.State(t.Context(), unit)
	if err != nil || s.Domain != "user/501" || s.LoadState != LoadNotFound || s.UnitFileState != "" {
		t.Errorf("nothing there: got %+v, %v", s, err)
	}
	write(t, plist, "x")
	if s, err = h.State(t.Context(), unit); err != nil || s.UnitFileState != "enabled" || s.LoadState != LoadNotFound {
		t.Errorf("file there, not loaded: got %+v, %v", s, err)
	}
}

func TestLaunchctlRefusesAgentsOfRoot(t *testing.T) {
	t.Parallel()
	h := NewLaunchctl(HostOptions{UID: 0, Run: replay(t, "print system/L -> 113\nprint-disabled system -> 0")})
	if err := h.Start(t.Context(), Unit{Name: "L", Scope: ScopeUser}); err == nil || !strings.Contains(err.Error(), "without sudo") {
		t.Errorf("got %v", err)
	}
	if s, err := h.State(t.Context(), Unit{Name: "L", Scope: ScopeSystem}); err != nil || s.Domain != "system" {
		t.Errorf("system scope: got %+v, %v", s, err)
	}
}

func FuzzParseLaunchPrint(f *testing.F) {
	for _, name := range []string{"print-running.txt", "print-failed.txt"} {
		text, err := os.ReadFile(filepath.Join("testdata/launchctl", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := parseLaunchPrint(text).state()
		if s.LoadState != LoadLoaded || s.View.Values == nil {
			t.Fatalf("got %+v", s)
		}
		isDisabled(text, "ai.coderclaw.gateway")
	})
}
