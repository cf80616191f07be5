package proctable

import (
	"strings"
	"testing"
)

func TestUnitOf(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/coderclaw-gateway.service\n": "coderclaw-gateway.service",
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.service/instance-dev\n":    "x.service",
		"0::/user.slice/user-1000.slice/session-3.scope\n":                                       "",
		"12:cpu:/\n1:name=systemd:/system.slice/nginx.service\n0::/\n":                           "nginx.service",
		"0::/user.slice/user-1000.slice/user@1000.service/init.scope\n":                          "",
		"garbage": "",
	} {
		if got := unitOf(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (a) b) (c)) S 7 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 1 1\n"))
	f.Fuzz(func(t *testing.T, raw []byte) { _, _ = parseStat(raw) })
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	got, err := parseStat([]byte("12 (a) b) (c)) S 7 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 1 1\n"))
	if err != nil || got != (stat{'S', 7, 4242}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func FuzzListening(f *testing.F) {
	f.Add("  0: 0100007F:4965 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1\n")
	f.Add("  0: 00000000000000000000000001000000:4965 0:0 0A 0 0 0 0 0 9 1\n")
	f.Fuzz(func(t *testing.T, table string) {
		got, err := listening(strings.NewReader(table), 18789)
		for _, s := range got {
			if err == nil && s.addr.Port() != 18789 {
				t.Errorf("port %d", s.addr.Port())
			}
		}
	})
}
