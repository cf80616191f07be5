//go:build unix

package supervisor

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"github.com/coderclaw/coderclaw/internal/ledger"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// runVar makes the test binary a supervisor of the profiles that it holds as JSON.
const runVar = "SUPERVISOR_TEST_RUN"

func runSupervisor(text string) error {
	var ps []profiles.Profile
	if err := json.Unmarshal([]byte(text), &ps); err != nil {
		return err
	}
	o := testOptions(ps, os.TempDir())
	o.Notify = func(state string) error {
		_, err := os.Stdout.WriteString(state + "\n")
		return err
	}
	s, err := New(o)
	if err != nil {
		return err
	}
	return s.Run(context.Background())
}

func TestKilledSupervisorLeavesNoChild(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "default", "dev")
	text, err := json.Marshal(ps)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), runVar+"="+string(text))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "READY=1\n" {
		t.Fatalf("the supervisor says %q, %v", line, err)
	}
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
			book, err := ledger.Open(p.Ledger())
			if err != nil {
				t.Fatal(err)
			}
			list := book.Entries()
			return len(list) == 1 && list[0].Instance == second.Instances[i].ID
		})
	}
	for pid, start := range born {
		waitFor(t, "the end of an orphan", func() bool { return !proctable.Alive(pid, start) })
	}
}
