package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coderclaw/coderclaw/gateway"
)

// target is the gateway that a worker of the fuzzing engine sends its inputs to.
type target struct {
	*running
	inputs int
}

func fuzzTarget(f *testing.F) *target {
	return &target{running: startWith(f, func(o *gateway.Options) { o.Log = slog.New(slog.DiscardHandler) })}
}

// connect leaves no port behind when it is closed, of which there are not enough for all inputs.
func (g *target) connect(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(g.url, "ws://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.SetDeadline(time.Now().Add(time.Minute)) // nothing takes so long, but what never ends
	return c
}

func (g *target) upgrade(t *testing.T) *heard {
	t.Helper()
	h, err := upgradeOn(g.connect(t))
	if err != nil {
		t.Fatalf("upgrade: %v", err)
	}
	return h
}

// end reads on until the gateway has nothing more to say.
func end(t *testing.T, in io.Reader) {
	t.Helper()
	_, err := io.Copy(io.Discard, in)
	if late, ok := err.(net.Error); ok && late.Timeout() {
		t.Fatal("the gateway does not end the connection")
	}
}

// check looks at the memory now and then.
func (g *target) check(t *testing.T) {
	t.Helper()
	if g.inputs++; g.inputs%2000 != 0 {
		return
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 512<<20 {
		t.Fatalf("%d MiB are in use", m.HeapAlloc>>20)
	}
}

// FuzzHead: whatever comes in place of an HTTP request or upgrade, the connection ends
// once the client has said all, and the gateway lives.
func FuzzHead(f *testing.F) {
	g := fuzzTarget(f)
	f.Add([]byte(upgradeHead))
	f.Add([]byte(upgradeHead + string(frame("{}")) + string(head(opPing|fin, 0)) + string(head(opClose|fin, 0))))
	f.Add([]byte("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"))
	f.Add([]byte("POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		c := g.connect(t)
		_, _ = c.Write(input) // it may have been refused half-way
		_ = c.(*net.TCPConn).CloseWrite()
		end(t, c)
		g.check(t)
	})
}

// FuzzConnect: whatever comes in place of a connect, the gateway lets the client in, or closes.
func FuzzConnect(f *testing.F) {
	g := fuzzTarget(f)
	k := newKey(f)
	for _, params := range []object{plain(), k.sign(plain(), time.Now(), ""), {"minProtocol": 4, "maxProtocol": 4},
		with(plain(), object{"role": "node", "commands": []string{"system.run"}, "permissions": object{"a": true}}),
		with(plain(), object{"client": object{"id": "openclaw-control-ui", "mode": "webchat", "version": "1", "platform": "web"}})} {
		raw, err := json.Marshal(params)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		c := g.upgrade(t)
		message := `{"type":"req","id":"1","method":"connect","params":` + string(input) + `}`
		if !json.Valid([]byte(message)) {
			message = string(input)
		}
		_, _ = c.Write(append(frame(message), append(head(opClose|fin, 2), 3, 232)...)) // it may have been refused half-way
		end(t, c.in)
		g.check(t)
	})
}

// FuzzFrame: whatever a client sends that was let in, its next request is answered, unless
// the connection was closed for it.
func FuzzFrame(f *testing.F) {
	g := fuzzTarget(f)
	k := newKey(f)
	for _, s := range []string{`{"type":"req","id":"1","method":"health","params":{"probe":true}}`, `{"type":"req","id":"1","method":"logs.tail","params":{"limit":5,"cursor":0}}`,
		`{"type":"req","id":"1","method":"config.get"}`, `{"type":"req","id":"1","method":"exec.approvals.set","params":{"file":{"version":1},"baseHash":"x"}}`,
		`{"type":"req","id":"1","method":"node.invoke","params":{"nodeId":"n","command":"system.run","params":{"command":["ls"]},"idempotencyKey":"k"}}`,
		`{"type":"req","id":"1","method":"device.pair.approve","params":{"requestId":"r"}}`, `{"type":"res","id":7}`, `null`, "{\"\xff\"}"} {
		f.Add([]byte(s), true)
	}
	var c *heard
	uses := 0
	f.Fuzz(func(t *testing.T, input []byte, asText bool) {
		if c == nil || uses == 50 { // some requests wait for somebody, and there may be no more than some
			if c != nil {
				c.Close()
			}
			c, uses = g.enter(t, k), 0
		}
		uses++
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		kind := byte(2)
		if asText {
			kind = opText
		}
		_, _ = c.Write(append(head(kind|fin, len(input)), input...))
		_, _ = c.Write(frame(`{"type":"req","id":"the next","method":"health"}`))
		for {
			kind, payload, err := next(c.in)
			switch {
			case err == nil && bytes.HasPrefix(payload, []byte(`{"type":"res","id":"the next"`)):
				g.check(t)
				return
			case err == nil && kind == opClose, err != nil && len(input) > 0 && asText && !utf8.Valid(input):
				c.Close()
				c = nil
				return
			case err != nil:
				t.Fatalf("the next request is not answered: %v", err)
			}
		}
	})
}

// enter returns a connection that was let in and outlives the input.
func (g *target) enter(t *testing.T, k key) *heard {
	t.Helper()
	raw, err := net.Dial("tcp", strings.TrimPrefix(g.url, "ws://"))
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.(*net.TCPConn).SetLinger(0)
	h, err := upgradeOn(raw)
	if err == nil {
		err = h.letIn(k)
	}
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	return h
}
