//go:build unix

package instance

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/coderclaw/coderclaw/internal/handoff"
	"github.com/coderclaw/coderclaw/internal/sdnotify"
)

// childVar makes the test binary a child of an instance: its value says how it behaves.
const childVar = "INSTANCE_TEST_CHILD"

// noRaceWait spares each child the second for which one that is built with the race
// detector waits at its end.
const noRaceWait = "GORACE=atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	switch how := os.Getenv(childVar); how {
	case "":
		goleak.VerifyTestMain(m)
	case "supervisor":
		supervisorMain()
	case "becomes":
		becomesMain()
	case "hunts":
		huntsMain()
	case "successor":
		successorMain()
	default:
		childMain(how)
	}
}

// childMain is a gateway as the instance sees it.
func childMain(how string) {
	if how == "deaf" { // it ends before it reads
		os.Exit(3)
	}
	fd, err := strconv.Atoi(os.Getenv(handoff.EnvParentFD))
	if err != nil {
		os.Exit(2)
	}
	_ = syscall.SetNonblock(fd, true) // as a gateway does
	pipe := os.NewFile(uintptr(fd), "hand-off")
	msg, err := handoff.Read(pipe)
	if err != nil {
		os.Exit(2)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGUSR1)
	if how == "family" { // a descendant that would stay
		cmd, err := os.StartProcess("/bin/sleep", []string{"sleep", "1000"}, &os.ProcAttr{Files: []*os.File{nil, os.Stdout, os.Stdout}})
		if err != nil {
			os.Exit(2)
		}
		os.Stdout.WriteString("descendant " + strconv.Itoa(cmd.Pid) + "\n")
	}
	if how != "mute" {
		if err := sdnotify.Send(os.Getenv("NOTIFY_SOCKET"), "READY=1", "X_CODERCLAW_INSTANCE="+msg.Instance); err != nil {
			os.Exit(2)
		}
	}
	gone := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, pipe)
		close(gone)
	}()
	for {
		select {
		case <-gone:
			os.Exit(1)
		case <-signals:
			if how != "stubborn" {
				os.Exit(0)
			}
		}
	}
}

// supervisorMain runs an instance until it is killed.
func supervisorMain() {
	f, reports := NewForker(), reportsAt(os.Getenv("INSTANCE_TEST_SOCKET"))
	go func() { _ = f.Run(context.Background()) }()
	i := New(Options{
		Name: "x", Reports: reports, Starter: f, Log: slog.New(slog.DiscardHandler), Grace: time.Second,
		Prepare: func(context.Context) (Launch, error) {
			return Launch{Path: os.Args[0], Args: os.Args[:1], Env: []string{childVar + "=stubborn", noRaceWait}}, nil
		},
		Waits: f.Waits(), Output: func([]byte) Intake { return fakeIntake{} },
		OnChange: func(s Snapshot) {
			if s.State == Ready {
				os.Stdout.WriteString("child " + strconv.Itoa(s.PID) + "\n")
			}
		},
	})
	go func() { _ = reports.Run(context.Background()) }()
	i.Run(context.Background())
}
