package config

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
)

func TestParseEnv(t *testing.T) {
	t.Parallel()
	const src = "\uFEFF# keys\r\n\r\n" +
		"PLAIN=abc # note\r\n" +
		"HASH=a#b\n" +
		"  export\tSPACED = a b \t\n" +
		"EMPTY=\n" +
		"COMMENT= # nothing\n" +
		"SINGLE='a # \"b\" $C \\n' # note\n" +
		"DOUBLE=\"a\\n\\t\\\"\\\\\\$\\x\"\n" +
		"MULTI=\"one\r\ntwo\"\n" +
		"PLAIN=last\n" +
		"exportX=1\r" +
		"_9=ü"
	got, err := parseEnv([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"PLAIN": "last", "HASH": "a#b", "SPACED": "a b", "EMPTY": "", "COMMENT": "",
		"SINGLE": `a # "b" $C \n`, "DOUBLE": "a\n\t\"\\$\\x", "MULTI": "one\ntwo", "exportX": "1", "_9": "ü"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseEnvErrors(t *testing.T) {
	t.Parallel()
	const form = "expected NAME=VALUE, where NAME has letters, digits and _ and begins with no digit"
	for _, tt := range []struct{ src, want string }{
		{"A=1\n\ns3cret\n", "3: " + form},
		{"9A=1", "1: " + form},
		{"=s3cret", "1: " + form},
		{"export =1", "1: " + form},
		{"A=\"x\ny\"\nB", "3: " + form},
		{"\nA='s3cret\n\n", "2: the value of A has no closing '"},
		{`A="s3cret\"`, `1: the value of A has no closing "`},
		{`A="x"s3cret`, "1: text after the closing quote of A"},
		{"A=\x00", "1: the value of A holds bytes that no variable can have"},
		{"A=\xff", "1: the value of A holds bytes that no variable can have"},
	} {
		_, err := parseEnv([]byte(tt.src))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q: got %v, want %s", tt.src, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: the error shows the value: %v", tt.src, err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(write(t, ".env", "A=file\nBLANK=\n"))
	p := profiles.Profile{Name: "dev", StateDir: dir, PassEnv: []string{"A", "B", "BLANK", "NONE"}}
	lookup, m, err := Environment(p, vars("A", "outer", "B", "b", "BLANK", "x", "C", "c"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"A": "file", "B": "b", "BLANK": ""}, m); diff != "" {
		t.Errorf("map (-want +got):\n%s", diff)
	}
	if v, ok := lookup("A"); v != "file" || !ok {
		t.Errorf("A = %q, %v", v, ok)
	}
	if _, ok := lookup("C"); ok {
		t.Error("C is not in pass_env")
	}
	if _, m, err := Environment(profiles.Profile{StateDir: t.TempDir(), PassEnv: []string{"A"}}, nil); err != nil || len(m) != 0 {
		t.Errorf("no file, no variables: %v, %v", m, err)
	}
	bad := profiles.Profile{StateDir: filepath.Dir(write(t, ".env", "A=1\nB"))}
	if _, _, err := Environment(bad, nil); exitcode.Of(err) != exitcode.Config || !strings.HasPrefix(err.Error(), bad.EnvFile()+":2: expected") {
		t.Errorf("got %v", err)
	}
}

// FuzzParseEnv holds that no bytes panic, and that names are names.
func FuzzParseEnv(f *testing.F) {
	f.Add([]byte("A=1\nexport B='x\ny' # z\nC=\"\\n\"\r\n#\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		env, err := parseEnv(raw)
		if err != nil {
			return
		}
		for name, value := range env {
			if name == "" || strings.ContainsAny(name, "= \t\r\n") || strings.Contains(value, "\x00") {
				t.Errorf("%q: %q = %q", raw, name, value)
			}
		}
	})
}
