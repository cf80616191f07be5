//go:build unix

package main

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/coderclaw/coderclaw/internal/sshdtest"
)

// TestProbeSSH runs the scripts that go through a real sshd, which the client knows
// in $KNOWN and not in $STRANGER.
func TestProbeSSH(t *testing.T) {
	t.Parallel()
	s, stranger := sshdtest.Start(t), sshdtest.Start(t)
	s.Know(t)
	testscript.Run(t, testscript.Params{Dir: "testdata/ssh", RequireExplicitExec: true, UpdateScripts: *update, Condition: scriptCondition, Cmds: scriptCommands(),
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", fmt.Sprintf("%s%c%s", filepath.Dir(s.Program), filepath.ListSeparator, e.Getenv("PATH")))
			e.Setenv("KNOWN", s.Target())
			e.Setenv("STRANGER", stranger.Target())
			e.Setenv("KEY", s.Identity)
			return setupScript(e)
		}})
}
