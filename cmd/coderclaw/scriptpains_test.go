package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/internal/programtest"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// toolFile, in the state dir, is the script that stands for what an agent starts: a
// supervised gateway of a test runs it at each SIGUSR2, below itself and as isolated as it is.
const toolFile = "workspace/tool"

// tool has the gateway of a profile start a shell script, as an agent would
// start a tool: tool PROFILE FILE
func tool(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: tool PROFILE FILE")
	}
	dir := ts.MkAbs("h/.coderclaw")
	if args[0] != profiles.Default {
		dir += "-" + args[0]
	}
	ts.Check(os.WriteFile(filepath.Join(dir, toolFile), []byte(ts.ReadFile(args[1])), 0o600))
	ts.Check(ts.Exec("kill", "-USR2", strconv.Itoa(held(ts, args[0]).PID)))
}

// outlast waits until a profile that is blocked was tried again N times: outlast PROFILE N
func outlast(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: outlast PROFILE N")
	}
	left, err := strconv.Atoi(args[1])
	ts.Check(err)
	last := ""
	await(ts, func(now map[string]control.Instance) bool {
		if at := now[args[0]].NextTry; at != nil && at.String() != last {
			last = at.String()
			left--
		}
		return left < 0 // the first was not waited for
	}, args[0]+" is not tried again")
}

// waitChild waits until a profile is ready with another child than PID: wait-child PROFILE PID
func waitChild(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: wait-child PROFILE PID")
	}
	await(ts, func(now map[string]control.Instance) bool {
		i := now[args[0]]
		return i.State == "ready" && strconv.Itoa(i.PID) != args[1]
	}, args[0]+" has no ready child other than "+args[1])
}

// halt stops a process, and is done when it does nothing any more: halt PID
func halt(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: halt PID")
	}
	pid, err := strconv.Atoi(args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), awaitLimit)
	defer cancel()
	ts.Check(programtest.Halt(ctx, pid))
}

// about sets variables from what `ps` shows of a profile, such as pid or
// lastExit.class; an absent one becomes empty: about PROFILE VAR=FIELD...
func about(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: about PROFILE VAR=FIELD...")
	}
	var shown control.Instance
	await(ts, func(now map[string]control.Instance) bool {
		shown = now[args[0]]
		return shown.State != "" && shown.State != unknown
	}, args[0]+" is not known")
	text, err := json.Marshal(shown)
	ts.Check(err)
	for _, a := range args[1:] {
		name, path, _ := strings.Cut(a, "=")
		var v any
		ts.Check(json.Unmarshal(text, &v))
		for step := range strings.SplitSeq(path, ".") {
			at, _ := v.(map[string]any)
			v = at[step]
		}
		value := ""
		switch v := v.(type) {
		case string:
			value = v
		case float64:
			value = strconv.FormatFloat(v, 'f', -1, 64)
		}
		ts.Setenv(name, value)
	}
}

// awaitGone waits until the processes whose pids the files hold are no more: wait-gone FILE...
func awaitGone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: wait-gone FILE...")
	}
	for _, file := range args {
		pid, err := strconv.Atoi(strings.TrimSpace(ts.ReadFile(file)))
		ts.Check(err)
		await(ts, func(map[string]control.Instance) bool {
			_, err := proctable.StartTime(pid)
			return err != nil
		}, "pid "+strconv.Itoa(pid)+" is not gone")
	}
}
