package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// TestPortOwner: whose the port is does not follow from who is alive, and what may
// not be seen is not known.
func TestPortOwner(t *testing.T) {
	t.Parallel()
	seen, unseen := []proctable.Listener{{PID: 7}}, []proctable.Listener{{PID: 0}}
	for _, x := range []struct {
		listeners []proctable.Listener
		ours      bool
		alive     string
		want      string
	}{
		{nil, false, yes, no},
		{nil, false, unknown, no},
		{seen, true, no, yes},
		{seen, false, yes, no},
		{seen, false, no, no},
		{seen, false, unknown, unknown},
		{unseen, false, yes, unknown},
		{unseen, false, no, unknown},
	} {
		if got := portOwner(x.listeners, x.ours, x.alive); got != x.want {
			t.Errorf("%+v: %s", x, got)
		}
	}
}

// TestNothingSecretIsPasted: known secrets, and what looks like one.
func TestNothingSecretIsPasted(t *testing.T) {
	t.Parallel()
	s := &secrets{home: "/home/kim"}
	s.add(`pass"word\1`, `"<quo&ted>"`, "short")
	s.addConfig(config.Gateway{Auth: config.Auth{Token: "tok-of-the-gateway"}, Remote: config.Remote{Password: "remote-password"}})
	s.addAll(map[string]string{"KEY": "value-of-key"})
	for in, want := range map[string]string{
		"a tok-of-the-gateway b":                     "a (secret, sha256",
		`{"x":"pass\"word\\1"}`:                      "(secret, sha256",
		`{"x":"\"<quo&ted>\""}`:                      `{"x":"(secret, sha256`,
		"remote-password value-of-key":               "(secret, sha256",
		`{"accessToken": "abcdef123", "n": 1}`:       `{"accessToken": "(redacted)", "n": 1}`,
		"Authorization: Bearer abc.def-1 more":       "Bearer (redacted) more",
		"http://box:1/#token=abcdef&x=1":             "http://box:1/#token=(redacted)&x=1",
		"run --token abcdef123 now":                  "run --token (secret, sha256",
		"OPENAI_API_KEY=abcdef123":                   "OPENAI_API_KEY=(secret, sha256",
		"/home/kim/.coderclaw/x and /home/kimberly/": "~/.coderclaw/x and /home/kimberly/",
		"in short, nothing":                          "in short, nothing",
	} {
		got := s.out(in)
		if !strings.Contains(got, want) {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
		for _, secret := range []string{"tok-of", "remote-password", "value-of-key", `pass\"word`, "quo&ted", "abcdef", "abc.def"} {
			if strings.Contains(got, secret) {
				t.Errorf("%s became %s", in, got)
			}
		}
	}
}

// TestTroubles are the last ones, and only lines that say so.
func TestTroubles(t *testing.T) {
	t.Parallel()
	log := `ut":1,"level":"ERROR"}
{"time":"1","level":"INFO","msg":"fine"}
{"time":"2","level":"WARN","msg":"first","b":2,"a":1}
nonsense
{"time":"3","level":"ERROR","msg":"second\u001b[2J\nline"}
{"time":"4","level":"WARN","msg":"third"}
`
	want := []string{"3 ERROR second[2J line", "4 WARN third"}
	if got := troubles([]byte(log), 2); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := troubles([]byte(log), 9); len(got) != 3 || got[0] != "2 WARN first a=1 b=2" {
		t.Errorf("got %q", got)
	}
	if got := troubles(nil, 9); got == nil || len(got) != 0 {
		t.Errorf("got %q", got)
	}
}
