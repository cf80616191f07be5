package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/coderclaw/coderclaw/internal/systemdtest"
)

// TestMain lets the test binary be coderclaw when it is called by that name, and
// PID 1 of a sandbox when a test wants a systemd of its own.
func TestMain(m *testing.M) { os.Exit(systemdtest.Main(scripted{m})) }

type scripted struct{ *testing.M }

func (s scripted) Run() int {
	testscript.Main(s.M, map[string]func(){"coderclaw": testedMain})
	return 0
}

// TestScripts runs the scripts of testdata, each with a home and ports of its own.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       *update,
		Setup:               setupScript,
		Condition:           scriptCondition,
		Cmds:                scriptCommands(),
	})
}

func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"wait-ready": waitReady, "wait-state": waitState, "kill-child": killChild, "field": field, "occupy": occupy, "release": release,
		"follow": follow, "unfollow": unfollow, "wait-match": waitMatch, "wait-http": waitHTTP, "wait-out": waitOut,
		"tool": tool, "outlast": outlast, "about": about, "wait-child": waitChild, "halt": halt, "wait-gone": awaitGone, "exec-code": execCode,
	}
}
