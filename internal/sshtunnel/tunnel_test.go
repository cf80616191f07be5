package sshtunnel

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/coderclaw/coderclaw/internal/sshdtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParse(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		text string
		want Target
		err  string
	}{
		{text: "box", want: Target{Host: "box"}},
		{text: " me@box ", want: Target{User: "me", Host: "box"}},
		{text: "me@box:2222", want: Target{User: "me", Host: "box", Port: 2222}},
		{text: "me@corp@box", want: Target{User: "me@corp", Host: "box"}},
		{text: "::1", want: Target{Host: "::1"}},
		{text: "[::1]:22", want: Target{Host: "::1", Port: 22}},
		{text: "fe80::1%eth0", want: Target{Host: "fe80::1%eth0"}},
		{text: "", err: "no host is named"},
		{text: "me@", err: "no host is named"},
		{text: "@box", err: "no user stands before the @"},
		{text: "-oProxyCommand=touch /tmp/x", err: "a leading - would be an option of ssh"},
		{text: "-l@box", err: "a leading - would be an option of ssh"},
		{text: "me@-box", err: "a leading - would be an option of ssh"},
		{text: "box:0", err: `"0" is not a port`},
		{text: "box:022", err: `"022" is not a port`},
		{text: "box:65536", err: `"65536" is not a port`},
		{text: "box:", err: `"" is not a port`},
		{text: "[::1", err: "a bracket is not closed"},
		{text: "[::1]22", err: "only a port may follow the bracket"},
		{text: "box;reboot", err: `';' is in no name`},
		{text: "$(id)@box", err: `'$' is in no name`},
		{text: "b ox", err: `' ' is in no name`},
		{text: "b\nox", err: `'\n' is in no name`},
	} {
		got, err := Parse(x.text)
		switch {
		case x.err == "" && (err != nil || got != x.want):
			t.Errorf("%q: got %+v, %v", x.text, got, err)
		case x.err != "" && (err == nil || !strings.Contains(err.Error(), x.err)):
			t.Errorf("%q: got %+v, %v; want %s", x.text, got, err, x.err)
		}
	}
}

// TestParseReadsItsOwn: what a target prints is read as that target.
func TestParseReadsItsOwn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := Target{
			User: rapid.StringMatching(`([a-z][a-z0-9._-]{0,8})?`).Draw(t, "user"),
			Host: rapid.StringMatching(`[a-z0-9][a-z0-9.-]{0,12}|[0-9a-f]{1,4}:(:[0-9a-f]{1,4}){1,5}`).Draw(t, "host"),
			Port: rapid.IntRange(0, 65535).Draw(t, "port"),
		}
		if got, err := Parse(want.String()); err != nil || got != want {
			t.Fatalf("%q: got %+v, %v", want.String(), got, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("me@[::1]:22")
	f.Fuzz(func(t *testing.T, text string) {
		target, err := Parse(text)
		if err != nil {
			return
		}
		args := arguments(Options{Target: target}, end{})
		if i := slices.Index(args, "--"); i != len(args)-2 || strings.HasPrefix(args[i+1], "-") {
			t.Errorf("%q: %q", text, args)
		}
		if again, err := Parse(target.String()); err != nil || again != target {
			t.Errorf("%q: %+v, then %+v, %v", text, target, again, err)
		}
	})
}

// echo is what lies at the far end.
func echo(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func options(t *testing.T, s *sshdtest.Server, port int) Options {
	t.Helper()
	target, err := Parse(s.Target())
	if err != nil {
		t.Fatal(err)
	}
	return Options{Target: target, Identity: s.Identity, Port: port, Program: s.Program}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// TestTunnel carries bytes there and back, and leaves nothing of itself.
func TestTunnel(t *testing.T) {
	t.Parallel()
	s := sshdtest.Start(t)
	s.Know(t)
	for _, socket := range []bool{true, false} {
		tunnel, err := open(within(t), options(t, s, echo(t)), socket)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := tunnel.Dial(within(t))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "there and back"); err != nil {
			t.Error(err)
		}
		got := make([]byte, len("there and back"))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != "there and back" {
			t.Errorf("got %q, %v", got, err)
		}
		conn.Close()
		tunnel.Close()
		if _, err := tunnel.Dial(within(t)); err == nil {
			t.Error("the tunnel outlives its end")
		}
		if tunnel.dir != "" {
			if _, err := os.Stat(filepath.Dir(tunnel.local.address)); err == nil {
				t.Error("the directory of the socket is left")
			}
		}
	}
}

// TestNoTunnel: every way in which none comes about says why.
func TestNoTunnel(t *testing.T) {
	t.Parallel()
	s := sshdtest.Start(t)
	known := sshdtest.Start(t)
	known.Know(t)
	for name, x := range map[string]struct {
		change func(*Options)
		want   string
	}{
		"unknown host":   {func(*Options) {}, "connect once by hand and look at the fingerprint"},
		"stranger's key": {func(o *Options) { *o = options(t, known, 1); o.Identity = s.Identity }, "Permission denied"},
		"nobody there":   {func(o *Options) { o.Target.Port = 1 }, "refused"},
		"no ssh":         {func(o *Options) { o.Program = "/nowhere/ssh" }, "install an OpenSSH client"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t, s, 1)
			x.change(&o)
			tunnel, err := Open(within(t), o)
			if err == nil {
				tunnel.Close()
				t.Fatal("it stands")
			}
			if !strings.Contains(err.Error(), x.want) {
				t.Errorf("got %v; want %s", err, x.want)
			}
		})
	}
}

// TestNobodyAtTheFarEnd: the tunnel stands, and what it was for is refused and said.
func TestNobodyAtTheFarEnd(t *testing.T) {
	t.Parallel()
	s := sshdtest.Start(t)
	s.Know(t)
	tunnel, err := Open(within(t), options(t, s, 1))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := tunnel.Dial(within(t))
	if err == nil {
		_, err = conn.Read(make([]byte, 1))
		conn.Close()
	}
	if err == nil {
		t.Error("somebody answered")
	}
	tunnel.Close()
	if !strings.Contains(tunnel.Said(), "refused") {
		t.Errorf("ssh said %q", tunnel.Said())
	}
}

// TestGivenUp: a server that says nothing is left when the time is over.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	s := sshdtest.Start(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := options(t, s, 1)
	o.Target.Port = l.Addr().(*net.TCPAddr).Port
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, o); err == nil || !strings.Contains(err.Error(), "did not stand in time") {
		t.Errorf("got %v", err)
	}
}
