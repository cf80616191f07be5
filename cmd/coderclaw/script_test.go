package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/confine"
	"github.com/coderclaw/coderclaw/internal/porttest"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata and the generated references")

// blocks are those of tests. They lie below the blocks of the built-in profiles, with
// which a registry of a test may not overlap.
var blocks = porttest.Range{First: 3000, Last: 18500, Size: 111, Matters: []int{0, 2, 11}}

// freeBlock returns a base of which every port that matters is free, and that nobody
// else gets before cleanup calls what it is given.
func freeBlock(cleanup func(func())) (int, error) { return blocks.Take(cleanup) }

// noRaceWait spares each command of a test the second for which one that is built
// with the race detector waits at its end.
const noRaceWait = "atexit_sleep_ms=0"

// setupScript gives a script an empty home and a registry whose built-in
// profiles have ports of their own, in $DEFAULT, $DEV and $RESCUE.
func setupScript(e *testscript.Env) error {
	e.Values[occupiedKey{}] = occupied{}
	e.Values[followersKey{}] = followers{}
	home := filepath.Join(e.WorkDir, "h")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	var registry strings.Builder
	for _, name := range []string{"default", "dev", "rescue"} {
		base, err := freeBlock(e.Defer)
		if err != nil {
			return err
		}
		fmt.Fprintf(&registry, "[profiles.%s]\nport = %d\n\n", name, base)
		e.Setenv(strings.ToUpper(name), strconv.Itoa(base))
	}
	path := filepath.Join(e.WorkDir, "profiles.toml")
	if err := os.WriteFile(path, []byte(registry.String()), 0o600); err != nil {
		return err
	}
	extra, err := freeBlock(e.Defer)
	if err != nil {
		return err
	}
	e.Setenv("EXTRA", strconv.Itoa(extra))
	e.Setenv("HOME", home)
	e.Setenv("CODERCLAW_REGISTRY", path)
	e.Setenv("XDG_RUNTIME_DIR", filepath.Join(e.WorkDir, "run")) // no service manager answers there
	e.Setenv("GORACE", noRaceWait)
	if dir := os.Getenv("GOCOVERDIR"); dir != "" {
		e.Setenv("GOCOVERDIR", dir)
	}
	return nil
}

// scriptCondition knows [landlock]: this kernel can isolate.
func scriptCondition(cond string) (bool, error) {
	if cond != "landlock" {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	abi, _ := confine.Landlock()
	return abi > 0, nil
}

// waitReady waits until `ps` shows all the named profiles as ready:
// wait-ready PROFILE...
func waitReady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: wait-ready PROFILE...")
	}
	for _, p := range args {
		awaitState(ts, p, "ready")
	}
}

// killChild kills the gateway of a profile and waits until `ps` shows it gone or
// replaced: kill-child PROFILE
func killChild(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: kill-child PROFILE")
	}
	victim := held(ts, args[0])
	p, err := os.FindProcess(victim.PID)
	ts.Check(err)
	ts.Check(p.Kill())
	await(ts, func(now map[string]control.Instance) bool { return now[args[0]].PID != victim.PID }, args[0]+" still has its child")
}

// waitState waits for another state: wait-state PROFILE STATE
func waitState(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: wait-state PROFILE STATE")
	}
	awaitState(ts, args[0], args[1])
}

func awaitState(ts *testscript.TestScript, profile, state string) {
	await(ts, func(now map[string]control.Instance) bool {
		i := now[profile]
		switch {
		case string(i.State) != state:
			return false
		case i.State == instance.Ready && i.Supervisor == 0: // run by hand, it shows so from when it has the lock
			return serving(i)
		}
		return i.State != instance.Stopped || i.Supervisor != 0 // stopped is also what no supervisor holds
	}, profile+" is not "+state)
}

// serving tells whether the gateway says that it is ready.
func serving(i control.Instance) bool {
	ctx, cancel := context.WithTimeout(context.Background(), awaitLimit)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	_, err := get(ctx, client, "http"+strings.TrimPrefix(i.URL, "ws")+"/readyz")
	return err == nil
}

// held waits until `ps` shows the child of a profile, and returns what it shows.
func held(ts *testscript.TestScript, profile string) control.Instance {
	var i control.Instance
	await(ts, func(now map[string]control.Instance) bool {
		i = now[profile]
		return i.PID != 0
	}, profile+" has no child")
	return i
}

// awaitLimit is beyond what any wait takes; the eight deaths before a quarantine take
// a quarter of it at most, by the bounds of the back-off.
const awaitLimit = 2 * time.Minute

// await waits until ok holds of what `ps` shows.
func await(ts *testscript.TestScript, ok func(map[string]control.Instance) bool, otherwise string) {
	limit := time.NewTimer(awaitLimit)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		now := instances(ts)
		if ok(now) {
			return
		}
		select {
		case <-limit.C:
			ts.Fatalf("%s within %s: %+v", otherwise, awaitLimit, now)
		case <-tick.C:
		}
	}
}

// instances is what `ps` shows, by profile.
func instances(ts *testscript.TestScript) map[string]control.Instance {
	out := map[string]control.Instance{}
	cmd := exec.Command("coderclaw", "ps", "--json")
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = scriptEnv(ts)
	raw, _ := cmd.Output() // exit 3 before there is a supervisor
	var report psReport
	if json.Unmarshal(raw, &report) == nil {
		for _, i := range report.Instances {
			out[i.Profile] = i
		}
	}
	return out
}

// field reads one value of the JSON in a file into a variable:
// field VAR FILE PATH, where PATH is like instances.0.pid.
func field(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: field VAR FILE PATH")
	}
	var v any
	if err := json.Unmarshal([]byte(ts.ReadFile(args[1])), &v); err != nil {
		ts.Fatalf("%s: %v", args[1], err)
	}
	for step := range strings.SplitSeq(args[2], ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(at) {
				ts.Fatalf("%s has no %s", args[1], args[2])
			}
			v = at[i]
		default:
			ts.Fatalf("%s has no %s", args[1], args[2])
		}
	}
	if n, ok := v.(float64); ok {
		ts.Setenv(args[0], strconv.FormatFloat(n, 'f', -1, 64))
		return
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}

// occupied are the ports that a script holds, by number.
type occupied map[string]net.Listener

// occupy holds a port on 127.0.0.1 until the script releases it or ends: occupy PORT
func occupy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: occupy PORT")
	}
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", args[0]))
	ts.Check(err)
	ts.Value(occupiedKey{}).(occupied)[args[0]] = l
	ts.Defer(func() { l.Close() })
}

// release gives a port back: release PORT
func release(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: release PORT")
	}
	ts.Check(ts.Value(occupiedKey{}).(occupied)[args[0]].Close())
}

type occupiedKey struct{}
