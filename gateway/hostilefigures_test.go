package gateway_test

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway/client"
)

// servedEnv makes the test binary a server for another one, the gateway or the floor, or
// the foes of the gateway at the URL in attackedEnv.
const (
	servedEnv   = "CODERCLAW_TEST_SERVED"
	attackedEnv = "CODERCLAW_TEST_ATTACKED"
)

// TestServed is such a process; it ends with its standard input.
func TestServed(t *testing.T) {
	switch os.Getenv(servedEnv) {
	case "gateway":
		fmt.Println("is", start(t).url)
	case "floor":
		srv := httptest.NewServer(http.HandlerFunc(echo))
		defer srv.Close()
		fmt.Println("is", strings.Replace(srv.URL, "http", "ws", 1))
	case "foes":
		fmt.Println("is", os.Getpid())
		playAttacks(t, os.Getenv(attackedEnv))
	default:
		return
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// playAttacks makes the attacks that it is told by name. It says when one is over, and is
// told when its clients are to leave.
func playAttacks(t *testing.T, url string) {
	named := map[string]attack{}
	for _, a := range attacks(figures) {
		named[a.name] = a
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		f := &foes{t: t, r: &running{url: url}}
		named[lines.Text()].run(f)
		fmt.Println("is", "over")
		lines.Scan()
		f.leave()
		fmt.Println("is", "gone")
	}
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

// peer is a process of TestServed.
type peer struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// serve starts one, and returns what it says first.
func serve(t *testing.T, what string, env ...string) (p *peer, says string) {
	t.Helper()
	p = &peer{t: t, cmd: exec.Command(os.Args[0], "-test.run=^TestServed$")}
	p.cmd.Env = append(append(os.Environ(), servedEnv+"="+what), env...)
	p.cmd.Stderr = os.Stderr
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	t.Cleanup(func() {
		p.in.Close()
		rest, _ := io.ReadAll(p.out)
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", what, err, rest)
		}
	})
	return p, p.says()
}

// says is what it prints next.
func (p *peer) says() string {
	p.t.Helper()
	for {
		line, err := p.out.ReadString('\n')
		if err != nil {
			p.t.Fatalf("%v: %v", p.cmd.Env[len(p.cmd.Env)-1], err)
		}
		if what, ok := strings.CutPrefix(strings.TrimSpace(line), "is "); ok {
			return what
		}
	}
}

// do tells it something, and waits until that is done.
func (p *peer) do(what string) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, what); err != nil {
		p.t.Fatal(err)
	}
	p.says()
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

// figureRounds is how often each attack is made for its figures: a bar is met by the best of them.
const figureRounds = 5

// TestHostileFigures prints, with -soak, how long the other clients of an attacked gateway
// wait for health, beside what a bare echo server that nobody attacks takes at the same time
// on the same machine. Gateway, floor, foes and the clients that are timed are processes of
// their own.
func TestHostileFigures(t *testing.T) {
	if !*soak {
		return
	}
	g, url := serve(t, "gateway")
	_, floor := serve(t, "floor")
	enemies, _ := serve(t, "foes", attackedEnv+"="+url)
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
	pid := g.cmd.Process.Pid
	t.Logf("resident at first: %s", resident(pid))
	for _, a := range attacks(figures) {
		t.Run(a.name, func(t *testing.T) {
			type round struct {
				health, floor latencies
				resident      string
				processor     int // hundredths of a second
			}
			var rounds []round
			for range figureRounds {
				var now round
				before := ticks(pid)
				now.health = b.watch(func() {
					now.floor = bare.watch(func() {
						enemies.do(a.name)
						c, err := r.dial(t, client.Options{Token: secret, Identity: identity(t)})
						if err != nil {
							t.Fatalf("a newcomer: %v", err)
						}
						c.Close()
					})
				})
				now.resident, now.processor = resident(pid), ticks(pid)-before
				enemies.do("leave")
				rounds = append(rounds, now)
			}
			slices.SortFunc(rounds, func(a, b round) int { return cmp.Compare(a.health.at(.99), b.health.at(.99)) })
			best := rounds[0]
			t.Logf("\n\thealth: %s (p99 of the others %s to %s)\n\tfloor:  %s\n\tresident: %s, processor: %d0 ms", best.health,
				rounds[1].health.at(.99), rounds[len(rounds)-1].health.at(.99), best.floor, best.resident, best.processor)
		})
	}
	t.Logf("resident at last: %s", resident(pid))
}
