package proctable

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"testing"
)

func TestWithEnv(t *testing.T) {
	t.Parallel()
	variable := fmt.Sprintf("PROCTABLE_TEST=%d", os.Getpid())
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", "echo begun; read end")
	cmd.Env = []string{"A=" + variable, variable, "B="}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// It has no environment to show for a moment after it has become another program.
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "begun\n" {
		t.Fatalf("it says %q, %v", line, err)
	}
	start, err := StartTime(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]uint64{cmd.Process.Pid: start}
	if got, err := WithEnv([]string{"C=1", variable}); !maps.Equal(got, want) || err != nil {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if !HasEnv(cmd.Process.Pid, variable) || HasEnv(cmd.Process.Pid, variable+"0") {
		t.Error("HasEnv does not agree")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	if got, err := WithEnv([]string{variable}); len(got) != 0 || err != nil {
		t.Errorf("got %v, %v after its end", got, err)
	}
}
