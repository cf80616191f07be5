package porttest_test

import (
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"testing"

	"github.com/coderclaw/coderclaw/internal/porttest"
)

// takeVar makes the test binary a process that takes a block where there is one, and says which.
const takeVar = "PORTTEST_TAKE"

var two = porttest.Range{First: 31900, Last: 31919, Size: 10, Matters: []int{0, 3}}

func TestMain(m *testing.M) {
	if os.Getenv(takeVar) == "" {
		os.Exit(m.Run())
	}
	base, err := two.Take(func(func()) {})
	if err != nil {
		os.Exit(1)
	}
	os.Stdout.WriteString(strconv.Itoa(base))
}

func inAnotherProcess(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), takeVar+"=1")
	out, _ := cmd.Output() // it says nothing where it fails
	return string(out)
}

// TestTake: nobody gets what another has, or what cannot be bound.
func TestTake(t *testing.T) {
	var releases []func()
	take := func() (int, error) { return two.Take(func(f func()) { releases = append(releases, f) }) }
	first, err := take()
	if err != nil {
		t.Fatal(err)
	}
	other := 31900 + 31910 - first
	if runtime.GOOS == "linux" {
		if got := inAnotherProcess(t); got != strconv.Itoa(other) {
			t.Errorf("another process got %q beside %d", got, first)
		}
	}
	if second, err := take(); err != nil || second != other {
		t.Errorf("got %d, %v beside %d", second, err, first)
	}
	if third, err := take(); err == nil {
		t.Errorf("got %d, which somebody has", third)
	}
	for _, release := range releases {
		release()
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(first+3))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 5 {
		releases = nil
		if got, err := take(); err != nil || got != other {
			t.Errorf("got %d, %v where %d cannot be bound", got, err, first)
		}
		for _, release := range releases {
			release()
		}
	}
}
