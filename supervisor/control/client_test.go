//go:build unix

package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lockOf writes what a supervisor with this pid would have written for a profile.
func lockOf(t *testing.T, info control.LockInfo) profiles.Profile {
	t.Helper()
	p := profiles.Profile{Name: "dev", StateDir: t.TempDir()}
	text, err := json.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.SupervisorLock(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func self(t *testing.T) control.LockInfo {
	t.Helper()
	start, err := proctable.StartTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return control.LockInfo{PID: os.Getpid(), StartTime: start, Origin: "run"}
}

func TestFind(t *testing.T) {
	t.Parallel()
	if _, _, err := control.Find(profiles.Profile{StateDir: t.TempDir()}); !errors.Is(err, control.ErrNone) {
		t.Errorf("no file: %v", err)
	}
	p := lockOf(t, self(t))
	if _, info, err := control.Find(p); err != nil || info != self(t) {
		t.Errorf("got %+v, %v", info, err)
	}
	for _, text := range []string{"", `{"pid":`} { // before it listens, and while it writes
		if err := os.WriteFile(p.SupervisorLock(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := control.Find(p); !errors.Is(err, control.ErrNone) {
			t.Errorf("%q: %v", text, err)
		}
	}
	reused := self(t)
	reused.StartTime++
	if _, info, err := control.Find(lockOf(t, reused)); !errors.Is(err, control.ErrNone) || info.PID != 0 {
		t.Errorf("a reused pid: %+v, %v", info, err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "supervisor.lock"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := control.Find(profiles.Profile{StateDir: dir}); err == nil || errors.Is(err, control.ErrNone) {
		t.Errorf("an unreadable lock: %v", err)
	}
}

// serve answers every request with h and returns a client of it.
func serve(t *testing.T, h http.HandlerFunc) *control.Client {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l) // until Close
	}()
	t.Cleanup(func() {
		srv.Close()
		<-done
	})
	info := self(t)
	info.Socket = l.Addr().String()
	c, _, err := control.Find(lockOf(t, info))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		status int
		body   string
		want   string
		code   exitcode.Code
	}{
		{http.StatusOK, `{"ok":true}`, "", exitcode.OK},
		{http.StatusConflict, `{"ok":false,"error":"profile dev is blocked: x","code":78}`, "profile dev is blocked: x", exitcode.Config},
		{http.StatusConflict, `{"ok":false,"error":"it died"}`, "it died", exitcode.Failed},
		{http.StatusNotFound, "404 page not found\n", "the supervisor answered 404 Not Found: 404 page not found", exitcode.Failed},
	} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost || r.URL.EscapedPath() != "/v1/profiles/de%2Fv/restart" {
				t.Errorf("%s %s", r.Method, r.URL)
			}
			w.WriteHeader(tc.status)
			io.WriteString(w, tc.body)
		})
		err := c.Restart(t.Context(), "de/v")
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != tc.want || exitcode.Of(err) != tc.code {
			t.Errorf("%s: got %d %q; want %d %q", tc.body, exitcode.Of(err), got, tc.code, tc.want)
		}
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	again := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		enc := json.NewEncoder(w)
		enc.Encode(control.Status{Origin: "first"})
		http.NewResponseController(w).Flush()
		select {
		case <-again:
			enc.Encode(control.Status{Origin: "second"})
		case <-r.Context().Done():
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	var got []string
	err := c.Watch(ctx, func(s control.Status) {
		got = append(got, s.Origin)
		cancel()
	})
	if !errors.Is(err, context.Canceled) || len(got) != 1 || got[0] != "first" {
		t.Errorf("got %q, %v", got, err)
	}
	got = nil
	close(again)
	err = c.Watch(t.Context(), func(s control.Status) { got = append(got, s.Origin) })
	if err == nil || err.Error() != "the supervisor ended" || len(got) != 2 {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	t.Parallel()
	info := self(t)
	info.Socket = filepath.Join(t.TempDir(), "gone")
	c, _, err := control.Find(lockOf(t, info))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Status(t.Context()); err == nil {
		t.Error("a status from nobody")
	}
	if err := c.Shutdown(t.Context()); err == nil {
		t.Error("nobody is shut down")
	}
}
