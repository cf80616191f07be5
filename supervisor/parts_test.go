//go:build unix

package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coderclaw/coderclaw/internal/peercred"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

func TestEnviron(t *testing.T) {
	t.Parallel()
	got := Environ([]string{"PATH=/a", "HOME=/h", "PATH=/b", "LC_TIME=C", "LC=no", "CODERCLAW_GATEWAY_TOKEN=secret", "NOTIFY_SOCKET=x",
		"LISTEN_FDS=1", "LISTEN_PID=1", "WATCHDOG_USEC=1", "INVOCATION_ID=1", "JOURNAL_STREAM=1", "OPENAI_API_KEY=secret", "no equals sign",
		"http_proxy=p", "HTTP_PROXY=P", "SSL_CERT_FILE=f", "GOCOVERDIR=g", "TZ="})
	want := []string{"PATH=/b", "HOME=/h", "LC_TIME=C", "http_proxy=p", "HTTP_PROXY=P", "SSL_CERT_FILE=f", "GOCOVERDIR=g", "TZ="}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// TestNoPasswordOfAProxy: the password of a proxy goes into no environment, and what is left out is named.
func TestNoPasswordOfAProxy(t *testing.T) {
	t.Parallel()
	secret := []string{"http_proxy=http://u:pw@p:1", "HTTPS_PROXY=u:pw@p", "ALL_PROXY=socks5://u:%zz@p"}
	plain := []string{"https_proxy=http://p:3128", "HTTP_PROXY=http://u@p", "no_proxy=a,b", "PATH=/a:b@c:d"}
	environ := slices.Concat(secret, plain)
	if got := Environ(environ); !slices.Equal(got, plain) {
		t.Errorf("passed %q", got)
	}
	if got := withheld(environ); !slices.Equal(got, []string{"http_proxy", "HTTPS_PROXY", "ALL_PROXY"}) {
		t.Errorf("named %q", got)
	}
}

func TestPeers(t *testing.T) {
	t.Parallel()
	s, err := New(testOptions(testProfiles(t, "dev"), ""))
	if err != nil {
		t.Fatal(err)
	}
	h := s.routes(t.Context())
	for name, tc := range map[string]struct {
		peer any
		want int
	}{
		"own":     {peer{Cred: peercred.Cred{UID: uint32(os.Getuid())}}, http.StatusNotFound},
		"root":    {peer{}, http.StatusNotFound},
		"another": {peer{Cred: peercred.Cred{UID: uint32(os.Getuid()) + 1}}, http.StatusForbidden},
		"unknown": {nil, http.StatusForbidden},
	} {
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), peerKey{}, tc.peer), http.MethodPost, "/v1/profiles/dev/dance", nil)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		var res control.Result
		if err := json.Unmarshal(w.Body.Bytes(), &res); err != nil || w.Code != tc.want || res.OK || res.Error == "" || res.Code == 0 {
			t.Errorf("%s: %d %s, %v; want %d", name, w.Code, w.Body, err, tc.want)
		}
	}
}

func TestSocketPath(t *testing.T) {
	t.Parallel()
	temp := shortTemp(t)
	s := &Supervisor{o: Options{TempDir: temp}}
	if got, err := s.socketPath("/short", "s.sock"); got != "/short/s.sock" || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	long := "/" + strings.Repeat("a", 100)
	first, err := s.socketPath(long, "s.sock")
	if err != nil || filepath.Dir(filepath.Dir(first)) != temp {
		t.Errorf("got %s, %v", first, err)
	}
	wantMode(t, filepath.Dir(first), 0o700)
	other, err := s.socketPath(long+"b", "s.sock")
	if err != nil || other == first {
		t.Errorf("two state dirs share %s, %v", other, err)
	}
	if err := os.Chmod(filepath.Dir(first), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := s.socketPath(long, "s.sock"); err == nil {
		t.Error("a directory that others may enter was taken")
	}
}

func TestSocketPathBelowLongTempDir(t *testing.T) {
	t.Parallel()
	long := "/" + strings.Repeat("a", 100)
	s := &Supervisor{o: Options{TempDir: long}}
	got, err := s.socketPath(long, "s.sock")
	private := filepath.Join(systemTemp, fmt.Sprintf("coderclaw-%d", os.Getuid()))
	if info, found := os.Lstat(private); found == nil && !ownPrivate(info, os.Getuid()) { // anybody may have made it
		if err == nil || !strings.Contains(err.Error(), private) {
			t.Errorf("got %s, %v", got, err)
		}
		return
	}
	if err != nil || len(got) > maxSocketPath || filepath.Dir(filepath.Dir(got)) != systemTemp {
		t.Errorf("got %s, %v", got, err)
	}
	_ = os.Remove(filepath.Dir(got)) // fails where someone else's sockets lie in it
}

// A supervisor whose state dirs have long paths works like any other.
func TestLongStateDir(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "dev")
	ps[0].StateDir = filepath.Join(ps[0].StateDir, strings.Repeat("long", 30))
	temp := shortTemp(t)
	r := supervise(t, ps, func(o *Options) { o.TempDir = temp })
	r.allReady()
	if !strings.HasPrefix(r.info.Socket, temp) {
		t.Errorf("socket %s", r.info.Socket)
	}
}

func TestBoard(t *testing.T) {
	t.Parallel()
	version := "a"
	b := newBoard(func() control.Status { return control.Status{Origin: version} })
	var got []string
	enough := errors.New("enough")
	err := b.watch(t.Context(), func(s control.Status) error {
		got = append(got, s.Origin)
		switch s.Origin {
		case "a": // while a slow watcher is busy, several changes
			version = "b"
			b.changed()
			version = "c"
			b.changed()
		case "c":
			return enough
		}
		return nil
	})
	if err != enough || !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("got %q, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = b.watch(ctx, func(control.Status) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestWatchdog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		told := make(chan string)
		s := &Supervisor{o: Options{WatchdogInterval: 20 * time.Second, Notify: func(state string) error { told <- state; return nil }}}
		ctx, cancel := context.WithCancel(t.Context())
		begun, done := time.Now(), make(chan struct{})
		changes := make(chan control.Status)
		go func() {
			defer close(done)
			s.mainLoop(ctx, "0 of 0 ready", changes)
		}()
		for range 3 {
			if got := <-told; got != "WATCHDOG=1" {
				t.Errorf("told %q", got)
			}
		}
		if got := time.Since(begun); got != 30*time.Second {
			t.Errorf("three pings in %s", got)
		}
		changes <- control.Status{} // the same summary is not told again
		changes <- control.Status{Instances: []control.Instance{{Profile: "dev", State: "stopped"}}}
		if got := <-told; got != "STATUS=0 of 1 ready; dev stopped" {
			t.Errorf("told %q", got)
		}
		cancel()
		<-done
	})
}
