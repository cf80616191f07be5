package main

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// followers are the `logs --follow` that a script has started, by name.
type followers map[string]*exec.Cmd

type followersKey struct{}

// follow starts `coderclaw ARG...`, whose output goes to NAME.out and NAME.err,
// and is ended with the script at the latest: follow NAME ARG...
func follow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: follow NAME ARG...")
	}
	cmd := exec.Command("coderclaw", args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = scriptEnv(ts)
	out, err := os.Create(ts.MkAbs(args[0] + ".out"))
	ts.Check(err)
	defer out.Close()
	errs, err := os.Create(ts.MkAbs(args[0] + ".err"))
	ts.Check(err)
	defer errs.Close()
	cmd.Stdout, cmd.Stderr = out, errs
	ts.Check(cmd.Start())
	all := ts.Value(followersKey{}).(followers)
	all[args[0]] = cmd
	ts.Defer(func() {
		if all[args[0]] == cmd {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // killed
		}
	})
}

// unfollow ends one with an interrupt, which is no failure: unfollow NAME
func unfollow(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: unfollow NAME")
	}
	all := ts.Value(followersKey{}).(followers)
	cmd := all[args[0]]
	delete(all, args[0])
	ts.Check(cmd.Process.Signal(os.Interrupt))
	ts.Check(cmd.Wait())
}

// waitMatch waits until a file matches COUNT times, and no more: wait-match FILE [COUNT] REGEXP
func waitMatch(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: wait-match FILE [COUNT] REGEXP")
	}
	want, exactly, pattern := 1, len(args) == 3, args[len(args)-1]
	if exactly {
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		want = n
	}
	re, err := regexp.Compile("(?m)" + pattern)
	ts.Check(err)
	limit := time.NewTimer(awaitLimit)
	defer limit.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		text, _ := os.ReadFile(ts.MkAbs(args[0])) // it need not exist yet
		found := len(re.FindAll(text, -1))
		if found == want || found > want && !exactly {
			return
		}
		if found > want {
			ts.Fatalf("%s holds %s %d times, not %d:\n%s", args[0], pattern, found, want, text)
		}
		select {
		case <-limit.C:
			ts.Fatalf("%s does not hold %s %d times within %s:\n%s", args[0], pattern, want, awaitLimit, text)
		case <-tick.C:
		}
	}
}

// scriptEnv is what a command of the script needs of its environment.
func scriptEnv(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"HOME", "CODERCLAW_REGISTRY", "PATH", "XDG_RUNTIME_DIR", "GOCOVERDIR", "GORACE"} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}
