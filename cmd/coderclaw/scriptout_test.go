package main

import (
	"os/exec"
	"regexp"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// waitOut runs a command again and again until it prints what is wanted:
// wait-out REGEXP COMMAND...
func waitOut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: wait-out REGEXP COMMAND...")
	}
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	var out []byte
	for end := time.Now().Add(awaitLimit); time.Now().Before(end); {
		cmd := exec.Command(args[1], args[2:]...)
		cmd.Dir = ts.MkAbs(".")
		cmd.Env = scriptEnv(ts)
		out, _ = cmd.Output() // it may fail until then
		if re.Match(out) {
			return
		}
	}
	ts.Fatalf("%q does not print %s within %s:\n%s", args[1:], args[0], awaitLimit, out)
}
