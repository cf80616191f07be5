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
	got, err := parseStat([]byte("12 (a) b) (c)) S 7 1 1 0 -1 0 0 0 0 0 2 3 0 0 20 0 9 0 4242 1 1\n"))
	if err != nil || got != (stat{'S', 7, 4242, 5, 9}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestEstablished(t *testing.T) {
	t.Parallel()
	const table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
		"   0: 0100007F:4965 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1\n" +
		"   1: 0100007F:4965 0100007F:C001 01 00000000:00000000 00:00000000 00000000  1000        0 12346 1\n" +
		"   2: 0100007F:C001 0100007F:4965 01 00000000:00000000 00:00000000 00000000  1000        0 12347 1\n" +
		"   3: 00000000000000000000000001000000:4965 0:0 01 0 0 0 0 0 9 1\n" +
		"   4: 0100007F:1F90 0100007F:C002 01 0 0 0 0 0 9 1\n" +
		"   5: 0100007F:4965 0100007F:C003 06 0 0 0 0 0 9 1\n"
	counts := map[int]int{18789: 0, 8080: 0, 1: 0}
	if err := countEstablished(strings.NewReader(table), counts); err != nil {
		t.Fatal(err)
	}
	if counts[18789] != 2 || counts[8080] != 1 || counts[1] != 0 || len(counts) != 3 {
		t.Errorf("got %v", counts)
	}
}

func FuzzEstablished(f *testing.F) {
	f.Add("   1: 0100007F:4965 0100007F:C001 01 0\n")
	f.Add("1: :4965 x 01\n:::::\n")
	f.Fuzz(func(t *testing.T, table string) {
		counts := map[int]int{18789: 0}
		_ = countEstablished(strings.NewReader(table), counts)
		if len(counts) != 1 || counts[18789] > strings.Count(table, "4965") { // a port may have zeros before it
			t.Errorf("%q: %v", table, counts)
		}
	})
}

func FuzzParsePSS(f *testing.F) {
	f.Add("55 - 7ff [rollup]\nRss:   100 kB\nPss:                  42 kB\nPss_Anon: 1 kB\n")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := parsePSS([]byte(text)); err == nil && n < 0 {
			t.Errorf("%q: %d", text, n)
		}
	})
}

func TestParsePSS(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"55 - 7ff [rollup]\nRss:   100 kB\nPss:                  42 kB\nPss_Anon: 1 kB\n": 42 << 10, "Rss: 1 kB\n": -1, "Pss: x kB\n": -1, "Pss: 9007199254740993 MB\n": -1, "": -1,
	} {
		got, err := parsePSS([]byte(text))
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: got %d, %v; want %d", text, got, err, want)
		}
	}
}

func FuzzListening(f *testing.F) {
	f.Add("  0: 0100007F:4965 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1\n")
	f.Add("  0: 00000000000000000000000001000000:4965 0:0 0A 0 0 0 0 0 9 1\n")
	f.Fuzz(func(t *testing.T, table string) {
		got, err := listening(strings.NewReader(table), []int{18789})
		for _, s := range got {
			if err == nil && s.addr.Port() != 18789 {
				t.Errorf("port %d", s.addr.Port())
			}
		}
	})
}
