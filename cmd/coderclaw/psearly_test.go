//go:build unix

package main

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// answering listens as a supervisor whose origin is its answer, and counts how often it is asked.
func answering(t *testing.T, origin string, asked chan<- string) control.LockInfo {
	t.Helper()
	start, err := proctable.StartTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- origin
		_ = json.NewEncoder(w).Encode(control.Status{Origin: origin})
	})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l) // until Close
	}()
	t.Cleanup(func() {
		srv.Close()
		<-done
	})
	return control.LockInfo{PID: os.Getpid(), StartTime: start, Socket: l.Addr().String()}
}

func TestPsAsksEarly(t *testing.T) {
	t.Parallel()
	home, asked := t.TempDir(), make(chan string, 9)
	usual, other := answering(t, "usual", asked), answering(t, "other", asked)
	p := profiles.ByRule(home)
	if err := os.Mkdir(p.StateDir, 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(usual)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.SupervisorLock(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	ask := askEarly(t.Context(), home)
	if got := <-asked; got != "usual" {
		t.Fatalf("%s was asked before anybody wanted to know", got)
	}
	for _, info := range []control.LockInfo{usual, other, usual} {
		st, err := ask(t.Context(), control.New(info.Socket), info)
		want := map[string]string{usual.Socket: "usual", other.Socket: "other"}[info.Socket]
		if err != nil || st.Origin != want {
			t.Errorf("%s: got %q, %v", want, st.Origin, err)
		}
	}
	if len(asked) != 1 || <-asked != "other" {
		t.Error("the usual supervisor was asked again, or the other one not once")
	}
}

func TestPsAsksEarlyWhereNobodyIs(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 9)
	other := answering(t, "other", asked)
	st, err := askEarly(t.Context(), t.TempDir())(t.Context(), control.New(other.Socket), other)
	if err != nil || st.Origin != "other" {
		t.Errorf("got %q, %v", st.Origin, err)
	}
}
