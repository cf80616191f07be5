//go:build unix

package nodehost

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func sh(script string) runParams { return runParams{Command: []string{"sh", "-c", script}} }

func TestSpawn(t *testing.T) {
	t.Parallel()
	box := newToolbox(os.Environ())
	dir := t.TempDir()
	in := sh("pwd -P; echo to err >&2; echo $A; cat; exit 3")
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	in.Cwd, in.Env = &dir, map[string]string{"A": "b"}
	res := box.spawn(t.Context(), "/bin/sh", in, time.Minute)
	if res.ExitCode == nil || *res.ExitCode != 3 || res.Success || res.TimedOut || res.Stdout != real+"\nb\n" || res.Stderr != "to err\n" || res.Error != "" || res.Truncated {
		t.Errorf("%+v", res)
	}
	if res := box.spawn(t.Context(), "/bin/sh", sh("exit 0"), time.Minute); !res.Success || *res.ExitCode != 0 {
		t.Errorf("%+v", res)
	}
	if res := box.spawn(t.Context(), "/bin/sh", sh("kill -9 $$"), time.Minute); res.ExitCode != nil || res.Success || res.TimedOut {
		t.Errorf("killed: %+v", res)
	}
	missing := filepath.Join(dir, "missing")
	lost := sh("id")
	lost.Cwd = &missing
	if res := box.spawn(t.Context(), "/bin/sh", lost, time.Minute); res.Error == "" || res.Success || res.ExitCode != nil {
		t.Errorf("in a directory that is not there: %+v", res)
	}
}

func TestSpawnCapsOutput(t *testing.T) {
	t.Parallel()
	res := newToolbox(os.Environ()).spawn(t.Context(), "/bin/sh", sh("head -c 150000 /dev/zero >&2; head -c 150000 /dev/zero"), time.Minute)
	if len(res.Stdout)+len(res.Stderr) != outputCap || !res.Truncated || !res.Success {
		t.Errorf("%d %d %v %v %s", len(res.Stdout), len(res.Stderr), res.Truncated, res.Success, res.Error)
	}
}

// TestSpawnLeavesNothing: when its time is over, when the connection has ended, and
// when it ends by itself, nothing of a command runs on, whatever it did to get away.
func TestSpawnLeavesNothing(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("other systems end the process group")
	}
	// One leaves the session, one its parent, and one that stays has no environment.
	const away = "env -i /bin/sh -c 'echo $$ >%3; %4exec sleep 600' & setsid sh -c 'echo $$ >%; exec sleep 600' & (sh -c 'echo $$ >%2; exec sleep 600' &) ; until test -s % && test -s %2 && test -s %3; do :; done; "
	for _, tc := range []struct {
		name, rest string
		timedOut   bool
	}{
		{name: "time", rest: "sleep 600", timedOut: true},
		{name: "connection", rest: "sleep 600"},
		{name: "by itself", rest: "exit 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			pids := filepath.Join(t.TempDir(), "pid")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			limit := time.Minute
			switch tc.name {
			case "time":
				limit = 500 * time.Millisecond
			case "connection":
				go func() {
					for waited := time.NewTicker(time.Millisecond); ; <-waited.C {
						if begun(pids) || t.Context().Err() != nil {
							waited.Stop()
							cancel()
							return
						}
					}
				}()
			}
			leave := "setsid "
			if tc.name == "by itself" {
				leave = "" // nothing is known any more of what has neither mark nor parent nor group
			}
			script := strings.NewReplacer("%4exec", "exec "+leave, "%", pids).Replace(away) + tc.rest
			res := newToolbox(os.Environ()).spawn(ctx, "/bin/sh", sh(script), limit)
			for tc.timedOut && !begun(pids) { // a busy machine may need longer to get anywhere
				limit *= 2
				res = newToolbox(os.Environ()).spawn(ctx, "/bin/sh", sh(script), limit)
			}
			if res.TimedOut != tc.timedOut {
				t.Errorf("%+v", res)
			}
			for _, file := range []string{pids, pids + "2", pids + "3"} {
				raw, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
				if err != nil {
					t.Fatal(err)
				}
				if err := syscall.Kill(pid, 0); err == nil && alive(pid) {
					t.Errorf("%s: pid %d runs on", file, pid)
				}
			}
		})
	}
}

// TestSpawnWaitsForTheEnd: what was killed has ended, and not only been told to, when
// the command is answered. The much memory that this one holds lengthens its end.
func TestSpawnWaitsForTheEnd(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("other systems end the process group")
	}
	for _, rest := range []string{"sleep 600", "exit 0"} {
		t.Run(rest, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			const slow = "mkfifo f; exec 3<>f; env -i dd bs=256M count=1 if=/dev/zero of=f 2>/dev/null & echo $! >pid; head -c 1 <&3 >first; echo >begun; "
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() {
				for waited := time.NewTicker(time.Millisecond); ; <-waited.C {
					if _, err := os.Stat(filepath.Join(dir, "begun")); rest != "exit 0" && err == nil || t.Context().Err() != nil {
						waited.Stop()
						cancel()
						return
					}
				}
			}()
			in := sh(slow + rest)
			in.Cwd = &dir
			res := newToolbox(os.Environ()).spawn(ctx, "/bin/sh", in, time.Minute)
			raw, err := os.ReadFile(filepath.Join(dir, "pid"))
			if err != nil {
				t.Fatal(err, res)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
			if err != nil {
				t.Fatal(err)
			}
			if alive(pid) {
				t.Errorf("pid %d runs on: %+v", pid, res)
			}
		})
	}
}

// begun tells whether all processes have said who they are.
func begun(pids string) bool {
	for _, file := range []string{pids, pids + "2", pids + "3"} {
		if raw, err := os.ReadFile(file); err != nil || len(raw) == 0 {
			return false
		}
	}
	return true
}

// alive tells whether a process is more than a zombie.
func alive(pid int) bool {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	return !strings.HasPrefix(rest, "Z")
}
