package gateway_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway"
	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// narrow connects over a socket that takes little without being read, and is let in.
func (r *running) narrow(t *testing.T) (*wire, net.Conn) {
	t.Helper()
	var raw net.Conn
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, network, addr)
		if err == nil {
			err = c.(*net.TCPConn).SetReadBuffer(256 << 10) // with less, the system sends one piece each 40 ms
		}
		raw = c
		return c, err
	}}
	w := r.openBy(t, websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if res := w.ask("1", "connect", plain()); !res.OK {
		t.Fatalf("refused: %+v", res.Error)
	}
	return w, raw
}

// watch connects a client that reads all it is sent. shutdown is closed when it hears of the end.
func (r *running) watch(t *testing.T) (c *client.Client, shutdown <-chan struct{}) {
	t.Helper()
	heard := make(chan struct{})
	c, err := r.dial(t, client.Options{Token: secret, OnEvent: func(e protocol.Event) {
		if e.Event == "shutdown" {
			close(heard)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c, heard
}

// fill leaves more for who does not read than sockets take.
func (r *running) fill() {
	big := strings.Repeat("x", 1<<20)
	for range 12 {
		r.gateway.Send("chat", big)
	}
}

func closedForRestart(t *testing.T, c *client.Client) {
	t.Helper()
	<-c.Done()
	err := c.Call(context.WithoutCancel(t.Context()), "health", nil, nil)
	if closed, ok := errors.AsType[*client.CloseError](err); !ok || closed.Code != protocol.CloseRestart {
		t.Errorf("closed with %v", err)
	}
}

// TestNobodyIsClosedBeforeAllAreTold: as long as one client, however slow, has not read of the
// end, no other is closed.
func TestNobodyIsClosedBeforeAllAreTold(t *testing.T) {
	t.Parallel()
	r := startWith(t, func(o *gateway.Options) { gateway.TellFor(o, time.Hour) })
	fast, told := r.watch(t)
	slow, _ := r.narrow(t)
	_, stuck := r.narrow(t)
	r.fill()
	r.stop(gateway.ErrRestart)
	<-told
	var e protocol.Event
	for e.Event != "shutdown" {
		e = protocol.Event{}
		slow.next(&e)
	}
	select {
	case <-fast.Done():
		t.Error("a client was closed while another had not been told")
	default:
	}
	stuck.Close() // who is gone need not be told
	closedForRestart(t, fast)
	if code, _, _ := slow.closed(); code != protocol.CloseRestart {
		t.Errorf("the slow one was closed with %d", code)
	}
	<-r.done
}

// TestWhoNeverReadsHoldsUpNobody: the others are told, and closed in order, all the same.
func TestWhoNeverReadsHoldsUpNobody(t *testing.T) {
	t.Parallel()
	r := startWith(t, func(o *gateway.Options) { gateway.TellFor(o, 10*time.Millisecond) })
	r.narrow(t)
	r.fill()
	fast, told := r.watch(t) // nothing waits for it, which it would have to take first
	r.stop(gateway.ErrRestart)
	closedForRestart(t, fast)
	select {
	case <-told:
	default:
		t.Error("closed without having been told")
	}
	<-r.done
}

// TestWhoDoesNotAnswerTheClosing: a client that reads and does not take part in the closing of
// its connection is not waited for as a library would.
func TestWhoDoesNotAnswerTheClosing(t *testing.T) {
	t.Parallel()
	r := start(t)
	_, raw := r.narrow(t)
	read := make(chan struct{})
	go func() { // below the library, which would answer
		defer close(read)
		buf := make([]byte, 4096)
		for {
			if _, err := raw.Read(buf); err != nil {
				return
			}
		}
	}()
	r.stop(nil)
	<-r.done
	<-read
}

// TestShutdown: every client hears of the end before its connection closes with 1012.
func TestShutdown(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cause error
		want  string
	}{
		"stop":    {nil, `{"reason":"gateway stopping","restartExpectedMs":null}`},
		"restart": {gateway.ErrRestart, `{"reason":"gateway restarting","restartExpectedMs":1500}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			const clients = 10
			got := make(chan string, clients)
			var all []*client.Client
			for range clients {
				c, err := r.dial(t, client.Options{Token: secret, OnEvent: func(e protocol.Event) {
					if e.Event == "shutdown" {
						if e.Seq == nil {
							t.Error("a broadcast without a number")
						}
						got <- string(e.Payload)
					}
				}})
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, c)
			}
			r.stop(tc.cause)
			for _, c := range all {
				<-c.Done()
				err := c.Call(t.Context(), "health", nil, nil)
				if closed, ok := errors.AsType[*client.CloseError](err); !ok || closed.Code != 1012 || closed.Reason != "service restart" {
					t.Errorf("closed with %v", err)
				}
			}
			for range clients {
				if payload := <-got; payload != tc.want {
					t.Errorf("shutdown %s", payload)
				}
			}
			<-r.done
		})
	}
}

// TestDrainAnswersAll: while clients connect in loops, the end of the gateway
// answers everybody whom it accepted and leaves the others in the queue.
func TestDrainAnswersAll(t *testing.T) {
	t.Parallel()
	r := startWith(t, func(o *gateway.Options) { gateway.ArriveFor(o, time.Minute) }) // longer than the clients are ever kept waiting for a processor
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var once sync.Once
	warm := make(chan struct{})
	for range 8 {
		clients.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				c, err := client.Dial(ctx, client.Options{URL: r.url, Token: secret})
				if err == nil {
					c.Close()
				} else if ctx.Err() == nil {
					t.Errorf("connect %d: %v", n, err)
					return
				}
				if n == 5 {
					once.Do(func() { close(warm) })
				}
			}
		})
	}
	<-warm
	r.stop(gateway.ErrRestart)
	<-r.done
	cancel() // those who wait in the queue of the socket give up; nobody was refused or reset
	clients.Wait()
}
