package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway/client"
)

// servedEnv makes the test binary a server for another one: the gateway, or the floor.
const servedEnv = "CODERCLAW_TEST_SERVED"

// TestServed is such a server; it ends with its standard input.
func TestServed(t *testing.T) {
	switch os.Getenv(servedEnv) {
	case "gateway":
		fmt.Println("serving", start(t).url)
	case "floor":
		srv := httptest.NewServer(http.HandlerFunc(echo))
		defer srv.Close()
		fmt.Println("serving", strings.Replace(srv.URL, "http", "ws", 1))
	default:
		return
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// echo is the floor: what the library makes of a message when there is nothing to do.
func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		kind, raw, err := conn.Read(r.Context())
		if err != nil || conn.Write(r.Context(), kind, raw) != nil {
			return
		}
	}
}

// serve starts a server in a process of its own.
func serve(t *testing.T, what string) (url string, pid int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestServed$")
	cmd.Env = append(os.Environ(), servedEnv+"="+what)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	t.Cleanup(func() {
		in.Close()
		_, _ = io.Copy(io.Discard, lines)
		_ = cmd.Wait()
	})
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%s does not serve: %v", what, err)
		}
		if url, ok := strings.CutPrefix(strings.TrimSpace(line), "serving "); ok {
			return url, cmd.Process.Pid
		}
	}
}

// resident is the memory of a process, as the system tells it.
func resident(pid int) string {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // not on every system
	_, rest, _ := strings.Cut(string(raw), "VmRSS:")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(line)
}

// ticks is the processor time of a process so far, in hundredths of a second.
func ticks(pid int) (sum int) {
	raw, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)) // not on every system
	_, rest, _ := strings.Cut(string(raw), ") ")
	if fields := strings.Fields(rest); len(fields) > 12 {
		for _, f := range fields[11:13] { // utime and stime
			n, _ := strconv.Atoi(f)
			sum += n
		}
	}
	return sum
}

// TestHostileFigures prints, with -soak, how long the other clients of an attacked gateway
// wait for health, beside what a bare echo server that nobody attacks takes at the same time
// on the same machine. Gateway, floor and foes are processes of their own.
func TestHostileFigures(t *testing.T) {
	if !*soak {
		return
	}
	url, pid := serve(t, "gateway")
	floor, _ := serve(t, "floor")
	r := &running{url: url}
	b := r.bystander(t)
	conn, _, err := websocket.Dial(t.Context(), floor, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	bare := &bystander{t, func(ctx context.Context) error {
		if err := conn.Write(ctx, websocket.MessageText, []byte(`{"type":"req","id":"1","method":"health"}`)); err != nil {
			return err
		}
		_, _, err := conn.Read(ctx)
		return err
	}}
	t.Logf("resident at first: %s", resident(pid))
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			f := &foes{t: t, r: r}
			var of latencies
			before := ticks(pid)
			seen := b.watch(func() {
				of = bare.watch(func() {
					a.run(f)
					c, err := r.dial(t, client.Options{Token: secret, Identity: identity(t)})
					if err != nil {
						t.Fatalf("a newcomer: %v", err)
					}
					c.Close()
				})
			})
			most := resident(pid)
			f.leave()
			t.Logf("\n\thealth: %s\n\tfloor:  %s\n\tresident: %s, processor: %d0 ms", seen, of, most, ticks(pid)-before)
		})
	}
	t.Logf("resident at last: %s", resident(pid))
}
