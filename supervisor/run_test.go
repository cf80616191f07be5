//go:build unix

package supervisor

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/coderclaw/coderclaw/internal/ledger"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// runVar makes the test binary a supervisor of the profiles that it holds as JSON.
const runVar = "SUPERVISOR_TEST_RUN"

// nextSet is a file with the profiles of the supervisor's successor, in the state
// dir of its first profile.
const nextSet = "next.json"

func runSupervisor(text string) error {
	var ps []profiles.Profile
	if err := json.Unmarshal([]byte(text), &ps); err != nil {
		return err
	}
	o := testOptions(ps, os.TempDir())
	o.Args = os.Args
	if value := os.Getenv(EnvReexec); value != "" {
		var err error
		if o.Inherited, err = Inherit(value); err != nil {
			return err
		}
		if text, err := os.ReadFile(filepath.Join(ps[0].StateDir, nextSet)); err == nil {
			o.Profiles = nil
			if err := json.Unmarshal(text, &o.Profiles); err != nil {
				return err
			}
		}
	}
	o.Notify = func(state string) error {
		_, err := os.Stdout.WriteString(state + "\n")
		return err
	}
	s, err := New(o)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return s.Run(ctx)
}

// startSupervisor starts a supervisor in a process of its own. said are the lines
// that it tells a service manager after READY=1, which has come.
func startSupervisor(t *testing.T, ps []profiles.Profile) (cmd *exec.Cmd, said *bufio.Reader) {
	t.Helper()
	text, err := json.Marshal(ps)
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0]) // it ends before the test's directories do
	cmd.Env = append(os.Environ(), runVar+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	said = bufio.NewReader(out)
	if line, err := said.ReadString('\n'); line != "READY=1\n" {
		_ = cmd.Process.Kill()
		t.Fatalf("the supervisor says %q, %v, %v", line, err, cmd.Wait())
	}
	return cmd, said
}

func TestKilledSupervisorLeavesNoChild(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "default", "dev")
	cmd, _ := startSupervisor(t, ps)
	client, info, err := control.Find(ps[1])
	if err != nil || info.PID != cmd.Process.Pid {
		t.Fatalf("found %+v, %v", info, err)
	}
	first := (&rig{t: t, client: client}).allReady()
	born := map[int]uint64{}
	for _, i := range first.Instances {
		if born[i.PID], err = proctable.StartTime(i.PID); err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed"
	if _, _, err := control.Find(ps[0]); err != control.ErrNone {
		t.Errorf("a dead supervisor is found: %v", err)
	}
	second := supervise(t, ps, nil).allReady() // among the remains of the first
	for _, i := range second.Instances {
		if _, old := born[i.PID]; old {
			t.Errorf("%s is still the child of the dead supervisor", i.Profile)
		}
	}
	for i, p := range ps {
		waitFor(t, "a record of nothing but what runs", func() bool {
			var book struct{ Entries []ledger.Entry } // Open is for the supervisor alone: it puts away what it cannot read
			text, err := os.ReadFile(p.Ledger())
			if err == nil {
				err = json.Unmarshal(text, &book)
			}
			return err == nil && len(book.Entries) == 1 && book.Entries[0].Instance == second.Instances[i].ID
		})
	}
	for pid, start := range born {
		waitFor(t, "the end of an orphan", func() bool { return !proctable.Alive(pid, start) })
	}
}
