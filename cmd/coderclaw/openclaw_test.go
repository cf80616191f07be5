package main

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/internal/openclawtest"
)

// lone is a gateway that a person started by hand, with a node connected to it.
type lone struct {
	oneHome
	url     string
	methods []string // that it says it has
	node    string   // id of the node
}

func startLone(t *testing.T) *lone {
	t.Helper()
	g := &lone{oneHome: newHome(t)}
	g.url = fmt.Sprintf("ws://127.0.0.1:%d", g.port)
	g.keep("gateway", "run")
	g.until("the gateway answers", func(c *client.Client) bool {
		g.methods = c.Hello().Features.Methods
		return true
	})
	g.keep("node", "run", "--display-name", "box")
	g.until("the node is there", func(c *client.Client) bool {
		var list struct{ Nodes []struct{ NodeID string } }
		if err := c.Call(t.Context(), "node.list", nil, &list); err != nil || len(list.Nodes) == 0 {
			return false
		}
		g.node = list.Nodes[0].NodeID
		return true
	})
	return g
}

// keep runs coderclaw until the test ends.
func (g *lone) keep(args ...string) {
	g.Helper()
	cmd := exec.Command("coderclaw", args...)
	cmd.Env = g.env
	cmd.Stderr = g.Output()
	if err := cmd.Start(); err != nil {
		g.Fatal(err)
	}
	g.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt) // it may have ended, which what follows then met
		_ = cmd.Wait()
	})
}

// until connects until the gateway is as wanted.
func (g *lone) until(what string, holds func(*client.Client) bool) {
	g.Helper()
	ctx, cancel := context.WithTimeout(g.Context(), time.Minute)
	defer cancel()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		c, err := client.Dial(ctx, client.Options{URL: g.url, Token: g.token(), Identity: g.device(), Scopes: []string{"operator.admin"}})
		if err == nil {
			ok := holds(c)
			_ = c.Close() // it may have been closed from the other side
			if ok {
				tick.Stop()
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			g.Fatalf("waited in vain: %s (%v)", what, err)
		}
	}
}

func (g *lone) device() *client.Identity {
	g.Helper()
	id, err := client.LoadIdentity(g.TempDir())
	if err != nil {
		g.Fatal(err)
	}
	return id
}

// at adds the gateway and its secret to a command line.
func (g *lone) at(args ...string) []string {
	return append(slices.Clone(args), "--url", g.url, "--token", g.token())
}

// knock lets n devices ask to be paired from elsewhere, and returns their requests.
func (g *lone) knock(n int) (requests []string) {
	g.Helper()
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: strings.TrimPrefix(g.url, "ws://")})
		r.Out.Header.Set("X-Forwarded-For", "203.0.113.7")
	}})
	defer proxy.Close()
	for range n {
		_, err := client.Dial(g.Context(), client.Options{URL: strings.Replace(proxy.URL, "http", "ws", 1), Token: g.token(), Identity: g.device(), Scopes: []string{"operator.read"}})
		refused, ok := errors.AsType[*client.RefusedError](err)
		if !ok {
			g.Fatalf("a device from elsewhere: %v", err)
		}
		details, _ := refused.Err.Details.(map[string]any)
		id, _ := details["requestId"].(string)
		if id == "" {
			g.Fatalf("a device from elsewhere: %v, without the id of a request", err)
		}
		requests = append(requests, id)
	}
	return requests
}

// TestOpenClaw: the unmodified command line of the sibling product works with our
// gateway. Most of its command lines run in one process; with -soak each runs in
// one of its own.
func TestOpenClaw(t *testing.T) {
	t.Parallel()
	c := openclawtest.Find(t, openclawtest.Same)
	g := startLone(t)

	// As a person types them: what decides on the exit code must be seen from outside.
	for _, tc := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"health", g.at("gateway", "health"), 0, "OK ("},
		{"unknown method", g.at("gateway", "call", "no.such"), 1, "Gateway call failed: Error: unknown method: no.such"},
		{"wrong token", []string{"gateway", "health", "--url", g.url, "--token", "wrong"}, 1, "unauthorized: "},
		{"gateway down", []string{"gateway", "health", "--url", "ws://127.0.0.1:" + closedPort(t), "--token", "x"}, 1, "gateway closed (1006"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := c.Anew(t).Run(t, tc.args...); got.Code != tc.code || !strings.Contains(got.Text(), tc.want) {
				t.Errorf("exit %d, want %d and %q\n%s", got.Code, tc.code, tc.want, got.Text())
			}
		})
	}
	t.Run("all", func(t *testing.T) {
		t.Parallel()
		run := c.Run
		if !*soak {
			run = c.Session(t).Run
		}
		b := &both{T: t, g: g, run: run, known: map[string]string{"NODE": g.node}}
		b.commands(c.Home())
		b.calls()
	})
}

// TestOpenClawOfLater: a client of protocol 4 learns what is the matter.
func TestOpenClawOfLater(t *testing.T) {
	t.Parallel()
	c := openclawtest.Find(t, openclawtest.Newest)
	g := startLone(t)
	got := c.Run(t, g.at("gateway", "call", "health")...)
	if got.Code != 1 || !strings.Contains(got.Text(), "protocol mismatch: ") || !strings.Contains(got.Text(), "v4, Gateway v3") {
		t.Errorf("exit %d, want 1 and the two versions\n%s", got.Code, got.Text())
	}
}

// closedPort is a port on which nobody listens, nor will while the test runs.
func closedPort(t *testing.T) string {
	t.Helper()
	port, err := freeBlock(t.Cleanup)
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}
