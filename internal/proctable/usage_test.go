package proctable_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"

	"github.com/coderclaw/coderclaw/internal/proctable"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	cpu, rss, threads, err := proctable.Usage(os.Getpid())
	if err != nil || cpu < 0 || rss < 1<<20 || threads < 1 {
		t.Errorf("cpu %s, %d bytes, %d threads, %v", cpu, rss, threads, err)
	}
	if age, err := proctable.Age(os.Getpid()); err != nil || age < cpu/100 {
		t.Errorf("age %s with %s of CPU, %v", age, cpu, err)
	}
	pss, err := proctable.PSS(os.Getpid())
	if runtime.GOOS == "linux" && (err != nil || pss <= 0) {
		t.Errorf("pss %d, %v", pss, err)
	}
	if _, _, _, err := proctable.Usage(1 << 30); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of nobody: %v", err)
	}
}

func TestTrees(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "cat") // ends with its input
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child := cmd.Process.Pid
	got, err := proctable.Trees([]int{os.Getpid(), 1 << 30})
	if err != nil || !slices.Contains(got[os.Getpid()], child) || !slices.Contains(got[os.Getpid()], os.Getpid()) || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
	got, err = proctable.Trees([]int{os.Getpid(), child})
	if err != nil || slices.Contains(got[os.Getpid()], child) || !slices.Equal(got[child], []int{child}) {
		t.Errorf("the nearer root: got %v, %v", got, err)
	}
	if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
		t.Error(err)
	}
}

func TestEstablishedConnections(t *testing.T) {
	t.Parallel()
	var l net.Listener
	for err := errors.New("none yet"); err != nil; { // not one of those that the system gives to clients, who may share one
		l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10_000+rand.N(20_000)))
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for range 2 {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		peer, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		if _, err := io.WriteString(peer, "x"); err != nil {
			t.Fatal(err)
		}
	}
	got, err := proctable.Established([]int{port})
	if err != nil || got[port] != 2 || len(got) != 1 {
		t.Errorf("got %v, %v", got, err)
	}
}
