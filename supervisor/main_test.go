//go:build unix

package supervisor

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/handoff"
	"github.com/coderclaw/coderclaw/internal/porttest"
	"github.com/coderclaw/coderclaw/internal/sdnotify"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// The test binary is also the gateway that the supervisors of the tests start,
// and a supervisor that can be killed.
func TestMain(m *testing.M) {
	var err error
	switch {
	case os.Getenv(handoff.EnvParentFD) != "":
		err = fakeGateway()
	case len(os.Args) > 3 && os.Args[1] == "--profile" && os.Args[3] == "doctor":
		os.Exit(fakeDoctor(os.Args[2]))
	case os.Getenv(runVar) != "":
		instance.OnFirstThread(func() { err = runSupervisor(os.Getenv(runVar)) })
	default:
		goleak.VerifyTestMain(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// seen is what a fake gateway leaves in its state dir about how it was started.
type seen struct {
	Args, Env []string
	Dir       string
	Handoff   handoff.Message
	Sockets   int
}

const seenFile = "seen.json"

// fakeGateway does what the supervisor expects of a gateway and nothing more. A
// client sends one line and gets one: the profile, its pid and the line. The line
// "post SOCKET PATH" makes it ask a supervisor, and answers with the status and the
// id of a restart; "eat MB" makes it take that much memory for good; "print N" makes
// it print N lines, each in two pieces.
func fakeGateway() error {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGTERM, syscall.SIGUSR1)
	fd, err := strconv.Atoi(os.Getenv(handoff.EnvParentFD))
	if err != nil {
		return err
	}
	parent := os.NewFile(uintptr(fd), "parent")
	msg, err := handoff.Read(parent)
	if err != nil {
		return err
	}
	go func() {
		io.Copy(io.Discard, parent)
		os.Exit(0)
	}()
	l, err := net.FileListener(os.NewFile(handoff.FirstFD, "listener"))
	if err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	count, err := strconv.Atoi(os.Getenv(handoff.EnvListenFDs))
	if err != nil {
		return err
	}
	note, err := json.Marshal(seen{os.Args, os.Environ(), dir, msg, count})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(msg.StateDir, seenFile), note, 0o600); err != nil {
		return err
	}
	fmt.Printf("hello from %s\n", msg.Profile)
	if err := sdnotify.Send(os.Getenv("NOTIFY_SOCKET"), "READY=1", "X_CODERCLAW_INSTANCE="+msg.Instance); err != nil {
		return err
	}
	var clients sync.WaitGroup
	go func() {
		<-ends
		l.Close()
	}()
	for {
		c, err := l.Accept()
		if err != nil {
			clients.Wait()
			return nil
		}
		clients.Go(func() { answer(c, msg.Profile) })
	}
}

func answer(c net.Conn, profile string) {
	defer c.Close()
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return
	}
	line = strings.TrimSpace(line)
	if f := strings.Fields(line); len(f) == 3 && f[0] == "post" {
		line = post(f[1], f[2])
	} else if len(f) == 2 && f[0] == "eat" {
		eat(f[1])
	} else if len(f) == 2 && f[0] == "print" {
		n, _ := strconv.Atoi(f[1]) // of our own making
		for i := range n {
			fmt.Printf("number %d ", i)
			fmt.Printf("of %d\n", n)
		}
	}
	fmt.Fprintf(c, "%s %d %s\n", profile, os.Getpid(), line)
}

// eaten keeps the memory of eat.
var eaten [][]byte

func eat(mb string) {
	n, _ := strconv.Atoi(mb) // of our own making
	block := make([]byte, n<<20)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	eaten = append(eaten, block)
}

func post(socket, path string) string {
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	res, err := client.Post("http://supervisor"+path, "", nil)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	var r control.Result
	_ = json.NewDecoder(res.Body).Decode(&r) // what is no result has no id
	return strings.TrimSpace(strconv.Itoa(res.StatusCode) + " " + r.RestartID)
}

// ask sends one line to a fake gateway. dialed tells whether the connection came about.
func ask(ctx context.Context, port int, line string) (reply string, dialed bool, err error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return "", false, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if _, err := fmt.Fprintln(c, line); err != nil {
		return "", true, err
	}
	reply, err = bufio.NewReader(c).ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return strings.TrimSpace(reply), true, err
}

// ports are those of tests, clear of the blocks of profiles and of what others take for
// ports of a moment.
var ports = porttest.Range{First: 22000, Last: 29999, Size: 1, Matters: []int{0}}

// freePorts finds ports that nobody listens on, nor will before the test has ended.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var list []int
	for range n {
		port, err := ports.Take(t.Cleanup)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, port)
	}
	slices.Sort(list)
	return list
}
