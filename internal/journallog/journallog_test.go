package journallog_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/google/go-cmp/cmp"

	"github.com/coderclaw/coderclaw/internal/journallog"
)

type sent struct {
	Message  string
	Priority journal.Priority
	Fields   map[string]string
}

// journaled runs a log while do uses it, and returns what came to the journal.
func journaled(t *testing.T, do func(*slog.Logger)) []sent {
	t.Helper()
	var all []sent
	l := journallog.New("claw", func(m string, p journal.Priority, f map[string]string) error {
		all = append(all, sent{m, p, f})
		return nil
	}, new(bytes.Buffer))
	var running sync.WaitGroup
	running.Go(l.Run)
	do(slog.New(l.Handler(slog.LevelInfo)))
	l.Close()
	running.Wait()
	return all
}

type secret struct{}

func (secret) LogValue() slog.Value { return slog.StringValue("redacted") }

func TestEntries(t *testing.T) {
	t.Parallel()
	got := journaled(t, func(log *slog.Logger) {
		log.Debug("not this")
		log.Info("ready", "profile", "dev", "pid", 7)
		log.Warn("the gateway died", "profile", "dev", "how", "killed by SIGKILL")
		log.Error("odd", "err", errors.New("a\n\"b\""), "none", "", "exit-code", 3, "é", 1, "k", secret{}, slog.Attr{})
		deep := log.With("profile", "dev").WithGroup("g").With("a", 1)
		deep.Info("m", slog.Group("h", "b", time.Second), slog.Group("", "c", true), slog.Group("empty"))
		log.WithGroup("").Info(strings.Repeat("x", 3), strings.Repeat("long", 30), 1)
	})
	id := func(m map[string]string) map[string]string { m["SYSLOG_IDENTIFIER"] = "claw"; return m }
	want := []sent{
		{"ready profile=dev pid=7", journal.PriInfo, id(map[string]string{"CODERCLAW_PROFILE": "dev", "CODERCLAW_PID": "7"})},
		{`the gateway died profile=dev how="killed by SIGKILL"`, journal.PriWarning, id(map[string]string{"CODERCLAW_PROFILE": "dev", "CODERCLAW_HOW": "killed by SIGKILL"})},
		{`odd err="a\n\"b\"" none="" exit-code=3 é=1 k=redacted`, journal.PriErr, id(map[string]string{
			"CODERCLAW_ERR": "a\n\"b\"", "CODERCLAW_NONE": "", "CODERCLAW_EXIT_CODE": "3", "CODERCLAW__": "1", "CODERCLAW_K": "redacted"})},
		{"m profile=dev g.a=1 g.h.b=1s g.c=true", journal.PriInfo, id(map[string]string{
			"CODERCLAW_PROFILE": "dev", "CODERCLAW_G_A": "1", "CODERCLAW_G_H_B": "1s", "CODERCLAW_G_C": "true"})},
		{"xxx " + strings.Repeat("long", 30) + "=1", journal.PriInfo, id(map[string]string{("CODERCLAW_" + strings.Repeat("LONG", 30))[:64]: "1"})},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHandlersAreApart: attributes of two loggers from one do not meet.
func TestHandlersAreApart(t *testing.T) {
	t.Parallel()
	got := journaled(t, func(log *slog.Logger) {
		base := log.With("a", 1, "b", 2, "c", 3)
		one, two := base.With("d", 4), base.With("e", 5)
		one.Info("one", "x", 1)
		two.Info("two", "y", 1)
		base.Info("base")
	})
	for i, want := range []string{"one a=1 b=2 c=3 d=4 x=1", "two a=1 b=2 c=3 e=5 y=1", "base a=1 b=2 c=3"} {
		if i >= len(got) || got[i].Message != want {
			t.Errorf("got %+v; want %q", got, want)
		}
	}
}

func TestJournalThatIsGone(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	l := journallog.New("claw", func(string, journal.Priority, map[string]string) error { return errors.New("no such file") }, &stderr)
	var running sync.WaitGroup
	running.Go(l.Run)
	slog.New(l.Handler(slog.LevelInfo)).Warn("blocked", "profile", "dev")
	l.Close()
	running.Wait()
	if got := stderr.String(); got != "<4>blocked profile=dev\n" {
		t.Errorf("got %q", got)
	}
}

// TestJournalThatHangs: whoever logs does not wait, and what was lost is counted.
func TestJournalThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var all []string
		takes := make(chan struct{})
		l := journallog.New("claw", func(m string, _ journal.Priority, _ map[string]string) error {
			<-takes
			all = append(all, m)
			return nil
		}, new(bytes.Buffer))
		var running sync.WaitGroup
		running.Go(l.Run)
		log := slog.New(l.Handler(slog.LevelInfo))
		log.Info("0")
		synctest.Wait() // it hangs with that
		for i := 1; i <= 2000; i++ {
			log.Info(fmt.Sprint(i))
		}
		began := time.Now()
		l.Close()
		if took := time.Since(began); took != time.Second {
			t.Errorf("Close took %s", took)
		}
		close(takes)
		running.Wait()
		if n := len(all); n != 1026 || all[0] != "0" || all[1] != "976 entries were dropped, the journal did not take them" || all[n-1] != "1024" {
			t.Errorf("%d entries: %.60q … %q", n, all, all[n-1])
		}
	})
}
