package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

func TestPruneKeepsWhatArgsName(t *testing.T) {
	t.Parallel()
	size := func(c *cli.Command) int {
		n := 0
		var walk func(*cli.Command)
		walk = func(c *cli.Command) {
			n += 1 + len(c.Flags)
			for _, sub := range c.Commands {
				walk(sub)
			}
		}
		walk(c)
		return n
	}
	whole := new(app).root()
	for i, verb := range whole.Commands {
		for _, args := range []string{"coderclaw NAME", "coderclaw --profile dev NAME list --json", "coderclaw help NAME"} {
			root := new(app).root()
			prune(root, strings.Fields(strings.ReplaceAll(args, "NAME", verb.Name)))
			if got, want := size(root.Commands[i]), size(verb); got != want {
				t.Errorf("%s: %d commands and flags of %d are left of %s", args, got, want, verb.Name)
			}
			for _, other := range root.Commands {
				if other.Name != verb.Name && size(other) != 1 || other.Usage == "" {
					t.Errorf("%s: %s is whole, or not named any more", args, other.Name)
				}
			}
		}
	}
}

func TestVerbsAreMadeAlone(t *testing.T) {
	t.Parallel()
	whole := new(app).root()
	for i, v := range new(app).verbs() {
		if got := whole.Commands[i].Name; got != v.name {
			t.Errorf("%s is listed as %s", got, v.name)
		}
		for _, args := range [][]string{{"coderclaw", v.name}, {"coderclaw", v.name, "status"}} {
			if alone := (&app{args: args}).root(); len(alone.Commands) != 1 || !alone.Commands[0].HasName(v.name) {
				t.Errorf("%q makes %d verbs", args, len(alone.Commands))
			}
		}
		for _, args := range [][]string{nil, {"coderclaw"}, {"coderclaw", "help", v.name}, {"coderclaw", "--profile", v.name}, {"coderclaw", v.name + "x"}} {
			if all := (&app{args: args}).root(); len(all.Commands) != len(whole.Commands) {
				t.Errorf("%q makes %d verbs", args, len(all.Commands))
			}
		}
	}
}

// TestInterrupted: who presses Ctrl-C is told so, and in no word of the language that
// this is written in.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	mute := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		interrupt()
		<-r.Context().Done()
	}))
	defer mute.Close()
	home := t.TempDir()
	env := func(name string) (string, bool) {
		if name == "HOME" {
			return home, true
		}
		return "", false
	}
	var stderr bytes.Buffer
	code := run(ctx, []string{"coderclaw", "gateway", "call", "health", "--url", "ws" + strings.TrimPrefix(mute.URL, "http"), "--token", "x", "--timeout", "60000"},
		env, strings.NewReader(""), io.Discard, &stderr)
	if code != exitcode.Failed || !strings.Contains(stderr.String(), "interrupted") || strings.Contains(stderr.String(), "canceled") {
		t.Errorf("exit %d: %s", code, stderr.String())
	}
}
