package config

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInclude(t *testing.T) {
	t.Parallel()
	path := write(t,
		"coderclaw.json", `{ "$include": ["base.json", "./more/b.json5"], gateway: { port: 3, trustedProxies: ["10.0.0.3"] } }`,
		"base.json", `{ gateway: { port: 1, mode: "local", trustedProxies: ["10.0.0.1"] } }`,
		"more/b.json5", `{ gateway: { port: 2, "$include": "c.json" }, logging: { level: "warn" } }`,
		"more/c.json", `{ trustedProxies: ["10.0.0.2"], bind: "lan" }`)
	s := load(t, path, nil)
	if !s.Valid() {
		t.Fatal(s.Err())
	}
	gw := s.Config.Gateway
	if gw.Port != 3 || gw.Mode != "local" || gw.Bind != "lan" || s.Config.Logging.Level != "warn" {
		t.Errorf("got %+v, level %s", gw, s.Config.Logging.Level)
	}
	if diff := cmp.Diff([]string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, gw.TrustedProxies); diff != "" {
		t.Errorf("lists are joined in order (-want +got):\n%s", diff)
	}
	dir := filepath.Dir(path)
	want := []string{filepath.Join(dir, "base.json"), filepath.Join(dir, "more", "b.json5"), filepath.Join(dir, "more", "c.json")}
	if diff := cmp.Diff(want, s.Includes); diff != "" {
		t.Errorf("Includes (-want +got):\n%s", diff)
	}
	before := s.fullHash
	if err := os.WriteFile(want[2], []byte(`{ bind: "loopback" }`), 0o600); err != nil {
		t.Fatal(err)
	}
	if after := load(t, path, nil); after.fullHash == before || after.Hash != s.Hash {
		t.Error("the full hash must follow an included file, Hash must not")
	}
}

func TestIncludeProblems(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		files []string
		want  string
	}{
		{"circle", []string{"coderclaw.json", `{"$include":"a.json"}`, "a.json", "{\n\"$include\":\"coderclaw.json\"}"},
			"a.json:2:12: Circular include detected: coderclaw.json -> a.json -> coderclaw.json\n"},
		{"escape", []string{"coderclaw.json", `{x:{"$include":"../b.json"}}`}, "coderclaw.json:1:16: Include path escapes config directory: ../b.json\n"},
		{"absolute", []string{"coderclaw.json", `{"$include":"/etc/passwd"}`}, "coderclaw.json:1:13: Include path escapes config directory: /etc/passwd\n"},
		{"missing", []string{"coderclaw.json", `{"$include":"b.json"}`}, "coderclaw.json:1:13: Failed to read include file: lstat b.json: no such file or directory\n"},
		{"directory", []string{"coderclaw.json", `{"$include":"d"}`, "d/x", ""}, "coderclaw.json:1:13: Failed to read include file: d: not a regular file\n"},
		{"broken", []string{"coderclaw.json", `{"$include":"b.json"}`, "b.json", "{\n a 1"}, "b.json:2:4: Failed to parse include file: expected ':' after the key \"a\", found '1'\n"},
		{"no name", []string{"coderclaw.json", `{"$include":["a.json", 5]}`, "a.json", "{}"},
			"coderclaw.json:1:24: Invalid $include value: expected a file name or a list of file names, found 5\n"},
		{"no object", []string{"coderclaw.json", `{"$include":"a.json", b: 1}`, "a.json", "[]"},
			"coderclaw.json:1:2: Invalid $include value: the included file must hold an object because keys stand beside it, holds an array\n"},
		{"unknown key inside", []string{"coderclaw.json", `{"$include":"a.json"}`, "a.json", "{\n gatway: {}}"}, "a.json:2:2: gatway: unknown key; did you mean \"gateway\"?\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := load(t, write(t, tt.files...), nil)
			if got := lines(s, s.Problems); got != tt.want {
				t.Errorf("got\n%swant\n%s", got, tt.want)
			}
		})
	}
}

func TestIncludeDepth(t *testing.T) {
	t.Parallel()
	files := []string{"coderclaw.json", `{"$include":"1.json"}`}
	for i := 1; i <= 11; i++ {
		files = append(files, strconv.Itoa(i)+".json", `{"$include":"`+strconv.Itoa(i+1)+`.json"}`)
	}
	s := load(t, write(t, files...), nil)
	if got, want := lines(s, s.Problems), "10.json:1:13: Maximum include depth (10) exceeded at: 11.json\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestIncludesCannotMultiply(t *testing.T) {
	t.Parallel()
	files := []string{"coderclaw.json", `{"$include":["0.json","0.json"]}`}
	for i := range 9 {
		next := strconv.Itoa(i+1) + ".json"
		files = append(files, strconv.Itoa(i)+".json", `{"$include":["`+next+`","`+next+`"]}`)
	}
	s := load(t, write(t, append(files, "9.json", "{}")...), nil)
	if got := lines(s, s.Problems); !strings.HasSuffix(got, ": more than 256 files are included\n") {
		t.Errorf("got\n%s", got)
	}
}

func TestIncludeSymlink(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Log("symlinks need a privilege on Windows")
		return
	}
	outside := write(t, "secret.json", `{}`)
	path := write(t, "coderclaw.json", `{"$include":"link.json"}`, "real.json", `{gateway:{port:5}}`)
	link := filepath.Join(filepath.Dir(path), "link.json")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	s := load(t, path, nil)
	if got, want := lines(s, s.Problems), "coderclaw.json:1:13: Include path resolves outside config directory (symlink): link.json\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.json", link); err != nil {
		t.Fatal(err)
	}
	if s := load(t, path, nil); s.Config.Gateway.Port != 5 {
		t.Errorf("a symlink inside the directory: %v", s.Err())
	}
}
