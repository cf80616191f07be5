package execpolicy

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

func TestRules(t *testing.T) {
	t.Parallel()
	f := protocol.ExecApprovalsFile{Version: 1, Defaults: &protocol.ExecApprovalsRules{Security: SecurityAllowlist, Ask: AskOff},
		Agents: map[string]protocol.ExecApprovalsAgent{
			"*":    {Allowlist: []protocol.ExecAllowlist{{Pattern: "/bin/all"}}},
			"main": {Ask: AskAlways, Allowlist: []protocol.ExecAllowlist{{Pattern: "/bin/ls"}}},
			"full": {Security: SecurityFull, Ask: AskOnMiss},
			"miss": {Ask: AskOnMiss},
			"none": {Security: SecurityDeny},
			"odd":  {Security: "FULL"},
			"ask":  {Security: SecurityFull, Ask: "?"},
		}}
	for _, tc := range []struct {
		agent, path string
		approved    bool
		want        string
	}{
		{"", "/bin/ls", false, ApprovalRequired},
		{"main", "/bin/ls", true, ""},
		{"other", "/bin/ls", false, AllowlistMiss},
		{"other", "/bin/ls", true, ""},
		{"other", "/bin/all", false, ""},
		{"full", "/bin/rm", false, ""},
		{"miss", "/bin/all", false, ""},
		{"miss", "/bin/ls", false, ApprovalRequired},
		{"none", "/bin/all", true, Disabled},
		{"odd", "/bin/all", true, Disabled},
		{"ask", "/bin/all", false, ApprovalRequired},
	} {
		if got := For(f, tc.agent).Refusal(tc.path, tc.approved); got != tc.want {
			t.Errorf("%+v: %q", tc, got)
		}
	}
	if got := For(protocol.ExecApprovalsFile{}, "").Refusal("/bin/ls", true); got != Disabled {
		t.Errorf("with no rules: %q", got)
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern, path string
		want          bool
	}{
		{"/bin/ls", "/bin/ls", true},
		{"/bin/ls", "/bin/lsof", false},
		{"/bin/l?", "/bin/ls", true},
		{"/bin/*", "/bin/ls", true},
		{"/bin/*", "/bin/x/ls", false},
		{"/opt/**/rg", "/opt/a/b/rg", true},
		{"/opt/**", "/opt/a/b/rg", true},
		{"/opt?x", "/opt/x", false},
		{"ls", "/bin/ls", false},
		{"*", "ls", false},
		{"", "", false},
		{`C:\Tools\*.exe`, `C:\Tools\rg.exe`, true},
	} {
		if got := matches(tc.pattern, tc.path); got != tc.want {
			t.Errorf("%q %q: %v", tc.pattern, tc.path, got)
		}
	}
}

// FuzzMatches holds the matcher against the same pattern as a regular expression.
func FuzzMatches(f *testing.F) {
	f.Add("/a/**/b*?", "/a/x/y/bcd")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		if len(pattern)+len(path) > 200 || strings.ContainsAny(pattern+path, "\\\x00\n") {
			return
		}
		expr := regexp.QuoteMeta(strings.TrimSpace(pattern))
		expr = strings.ReplaceAll(expr, `\*\*`, "\x00")
		expr = strings.ReplaceAll(expr, `\*`, `[^/]*`)
		expr = strings.ReplaceAll(expr, `\?`, `[^/]`)
		expr = strings.ReplaceAll(expr, "\x00", `.*`)
		re, err := regexp.Compile("^(?s:" + expr + ")$")
		if err != nil {
			return // not UTF-8
		}
		if want := strings.Contains(pattern, "/") && re.MatchString(path); matches(pattern, path) != want {
			t.Errorf("%q %q: want %v", pattern, path, want)
		}
	})
}

// FuzzParse: what is taken is sound, and is taken again when it is written.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"defaults":{"security":"allowlist"},"agents":{"main":{"ask":"off","allowlist":[{"pattern":"/bin/ls"}]}}}`))
	f.Add([]byte(`{"version":1,"agents":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := Parse(raw)
		if err != nil {
			return
		}
		again, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(again); err != nil {
			t.Errorf("%s became %s: %v", raw, again, err)
		}
	})
}

func TestFile(t *testing.T) {
	t.Parallel()
	f := In(t.TempDir())
	s, err := f.Load()
	if err != nil || s.Exists {
		t.Fatalf("%+v %v", s, err)
	}
	if s, err = f.Ensure(t.Context()); err != nil || !s.Exists || len(s.Hash) != 64 {
		t.Fatalf("%+v %v", s, err)
	}
	if again, err := f.Ensure(t.Context()); err != nil || again.Hash != s.Hash {
		t.Fatalf("%+v %v", again, err)
	}
	next := protocol.ExecApprovalsFile{Version: 1, Socket: &protocol.ExecApprovalsSocket{Path: "/s", Token: "t"}}
	if _, err := f.Set(t.Context(), next, ""); !errors.Is(err, errBaseRequired) {
		t.Errorf("without a base: %v", err)
	}
	if _, err := f.Set(t.Context(), next, strings.Repeat("0", 64)); !errors.Is(err, ErrChanged) {
		t.Errorf("with another base: %v", err)
	}
	if s, err = f.Set(t.Context(), next, s.Hash); err != nil {
		t.Fatal(err)
	}
	if shown := Shown(s); shown.File.Socket.Token != "" || s.File.Socket.Token != "t" {
		t.Errorf("shown %+v of %+v", shown.File.Socket, s.File.Socket)
	}
	if s, err = f.Set(t.Context(), protocol.ExecApprovalsFile{Version: 1}, s.Hash); err != nil || s.File.Socket == nil || s.File.Socket.Token != "t" {
		t.Errorf("the socket is lost: %+v %v", s.File.Socket, err)
	}
	var all sync.WaitGroup
	for _, path := range []string{"/bin/a", "/bin/b", "/bin/a"} {
		all.Go(func() {
			if err := f.Used(t.Context(), "", path, path+" x", true, 7); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := f.Used(t.Context(), "", "/bin/c", "c", false, 7); err != nil {
		t.Error(err)
	}
	if s, err = f.Load(); err != nil || len(s.File.Agents["main"].Allowlist) != 2 || s.File.Agents["main"].Allowlist[0].LastUsedAt != 7 {
		t.Errorf("%+v %v", s.File.Agents, err)
	}
	for _, damage := range []string{"{", `{"version":2}`, `{"version":1,"securty":"deny"}`, `{"version":1,"agents":{"main":{"security":"maybe"}}}`} {
		if err := os.WriteFile(s.Path, []byte(damage), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Ensure(t.Context()); err == nil || !strings.Contains(err.Error(), "mend or remove it") {
			t.Errorf("%s: %v", damage, err)
		}
		if _, err := f.Set(t.Context(), next, s.Hash); err == nil {
			t.Errorf("%s was written over", damage)
		}
	}
}
