package ticket

import (
	"bytes"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func request(origin string, cookies ...*http.Cookie) *http.Request {
	scheme, host, _ := strings.Cut(origin, "://")
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Host, r.TLS = host, nil
	if scheme == "https" {
		r.TLS = &tls.ConnectionState{}
	}
	r.Header.Set("Origin", origin)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

func someone(*http.Request) int { return 1000 }

func TestSessions(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		do   func(s *Sessions, c *http.Cookie) *http.Request
		in   bool
	}{
		{"the page that it was given to", func(_ *Sessions, c *http.Cookie) *http.Request { return request(here, c) }, true},
		{"the last moment", func(_ *Sessions, c *http.Cookie) *http.Request {
			time.Sleep(sessionLife - time.Millisecond)
			return request(here, c)
		}, true},
		{"after its time", func(_ *Sessions, c *http.Cookie) *http.Request {
			time.Sleep(sessionLife)
			return request(here, c)
		}, false},
		{"a page of another port", func(_ *Sessions, c *http.Cookie) *http.Request {
			r := request(here, c)
			r.Header.Set("Origin", "http://127.0.0.1:9999")
			return r
		}, false},
		{"no page", func(_ *Sessions, c *http.Cookie) *http.Request {
			r := request(here, c)
			r.Header.Del("Origin")
			return r
		}, false},
		{"another name of this machine", func(_ *Sessions, c *http.Cookie) *http.Request { return request("http://localhost:18789", c) }, false},
		{"over TLS", func(_ *Sessions, c *http.Cookie) *http.Request { return request("https://127.0.0.1:18789", c) }, false},
		{"the cookie of another gateway's port", func(s *Sessions, c *http.Cookie) *http.Request {
			c.Name = "coderclaw_session_19001"
			return request("http://127.0.0.1:19001", c)
		}, false},
		{"another secret", func(s *Sessions, c *http.Cookie) *http.Request {
			s.Secret = func() string { return "new" }
			return request(here, c)
		}, false},
		{"another key", func(s *Sessions, c *http.Cookie) *http.Request {
			s.Key = func() []byte { return make([]byte, keySize) }
			return request(here, c)
		}, false},
		{"another user of this machine", func(s *Sessions, c *http.Cookie) *http.Request {
			s.User = func(*http.Request) int { return 1001 }
			return request(here, c)
		}, false},
		{"a user who cannot be told", func(s *Sessions, c *http.Cookie) *http.Request {
			s.User = func(*http.Request) int { return -1 }
			return request(here, c)
		}, false},
		{"a user who could not be told at first", func(s *Sessions, _ *http.Cookie) *http.Request {
			s.User = func(*http.Request) int { return -1 }
			c := s.New(request(here))
			s.User = someone
			return request(here, c)
		}, true},
		{"a longer time", func(_ *Sessions, c *http.Cookie) *http.Request {
			c.Value = "B" + c.Value[1:]
			return request(here, c)
		}, false},
		{"cut short", func(_ *Sessions, c *http.Cookie) *http.Request {
			c.Value = c.Value[:20]
			return request(here, c)
		}, false},
		{"no cookie", func(*Sessions, *http.Cookie) *http.Request { return request(here) }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &Sessions{Key: func() []byte { return []byte("key") }, Secret: func() string { return "secret" }, Now: time.Now, User: someone}
				c := s.New(request(here))
				if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Secure || c.Path != "/" || c.Domain != "" || c.MaxAge != 12*3600 || c.Name != "coderclaw_session_18789" {
					t.Errorf("cookie %+v", c)
				}
				ends := time.Now().Add(sessionLife)
				got := s.Ends(tc.do(s, c))
				if got.IsZero() == tc.in || tc.in && !got.Equal(ends.Truncate(time.Millisecond)) {
					t.Errorf("until %s", got)
				}
			})
		})
	}
	s := &Sessions{Key: func() []byte { return nil }, Secret: func() string { return "" }, Now: time.Now, User: someone}
	if c := s.New(request("https://gateway")); !c.Secure || c.Name != "coderclaw_session" {
		t.Errorf("over TLS: %+v", c)
	}
}

func FuzzEnds(f *testing.F) {
	s := &Sessions{Key: func() []byte { return []byte("key") }, Secret: func() string { return "secret" }, Now: time.Now, User: someone}
	other := *s
	other.Key = func() []byte { return []byte("other key") } // one of this key cut short could be made whole again
	f.Add(other.New(request(here)).Value)
	f.Fuzz(func(t *testing.T, value string) {
		r := request(here)
		r.Header.Set("Cookie", "coderclaw_session_18789="+value)
		if !s.Ends(r).IsZero() {
			t.Errorf("%q lets in", value)
		}
	})
}

func TestLoadKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := LoadKey(dir)
	if err != nil || len(first) != keySize {
		t.Fatal(first, err)
	}
	if info, err := os.Stat(keyFile(dir)); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	if again, err := LoadKey(dir); err != nil || !bytes.Equal(first, again) {
		t.Errorf("another key: %v", err)
	}
	if err := os.WriteFile(keyFile(dir), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if other, err := LoadKey(dir); err != nil || len(other) != keySize || bytes.Equal(first, other) {
		t.Errorf("after a torn file: %v", err)
	}
	if _, err := LoadKey(keyFile(dir)); err == nil {
		t.Error("a state dir that is a file has a key")
	}
}
