package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/coderclaw/coderclaw/internal/nettest"
)

// TestNetwork runs the scripts that say something to a whole network, in one of
// their own.
func TestNetwork(t *testing.T) {
	t.Parallel()
	if !nettest.Inside(t) {
		return
	}
	testscript.Run(t, testscript.Params{Dir: "testdata/network", RequireExplicitExec: true, UpdateScripts: *update, Setup: setupScript, Condition: scriptCondition, Cmds: scriptCommands()})
}
