package nodehost

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func program(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFind(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("programs of Windows go by their endings")
	}
	first, second := t.TempDir(), t.TempDir()
	program(t, first, "notes", "", 0o600)
	tool := program(t, second, "notes", "", 0o700)
	only := program(t, second, "only", "", 0o700)
	if err := os.Mkdir(filepath.Join(first, "only"), 0o700); err != nil {
		t.Fatal(err)
	}
	box := newToolbox([]string{"PATH=" + strings.Join([]string{".", first, second, ""}, string(filepath.ListSeparator))})
	for _, tc := range []struct{ name, cwd, want string }{
		{"notes", "", tool},
		{"only", first, only},
		{"./only", second, only},
		{"../" + filepath.Base(second) + "/only", first, only},
		{only, "/", only},
		{"missing", "", ""},
		{"./missing", second, ""},
		{"./only", "relative", ""},
	} {
		got, err := box.find(tc.name, tc.cwd)
		if got != tc.want || (err == nil) != (tc.want != "") {
			t.Errorf("%q in %q: %q, %v", tc.name, tc.cwd, got, err)
		}
	}
	res := box.which(whichParams{Bins: []string{"only", " notes ", "missing", only, "..", "", "./only"}})
	if len(res.Bins) != 2 || res.Bins["only"] != only || res.Bins["notes"] != tool {
		t.Errorf("%v", res.Bins)
	}
}

// What a command inherits has neither secrets of this program nor what makes other
// programs do something else.
func TestEnv(t *testing.T) {
	t.Parallel()
	box := newToolbox([]string{"PATH=/bin", "HOME=/h", "GIT_ASKPASS=/mine", "CODERCLAW_GATEWAY_TOKEN=s", "coderclaw_x=1", "LD_PRELOAD=/x.so", "DYLD_INSERT_LIBRARIES=x", "BASH_ENV=/x", "BASH_FUNC_ls%%=() { id; }", "A=old"})
	got := box.env(map[string]string{"A": "new", "PATH": "/evil", "Path": "/evil", "ld_audit": "x", "NODE_OPTIONS": "x", "": "x", "B=C": "x", "D": "x\x00", "HOME": "/evil", "GIT_CONFIG_PARAMETERS": "'core.pager'='id'", "git_ssh": "/evil", "TAR_OPTIONS": "x", "lessopen": "|id", "CODERCLAW_NODE_RUN": "x"})
	if want := []string{"PATH=/bin", "HOME=/h", "GIT_ASKPASS=/mine", "A=old", "A=new"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestLimit(t *testing.T) {
	t.Parallel()
	ms := func(v int64) *int64 { return &v }
	for _, tc := range []struct{ a, b, want *int64 }{
		{nil, nil, ms(maxRun.Milliseconds())}, {ms(5), nil, ms(5)}, {ms(5), ms(3), ms(3)}, {ms(0), ms(7), ms(7)}, {ms(1 << 60), nil, ms(maxRun.Milliseconds())},
	} {
		if got := limit(tc.a, tc.b); got.Milliseconds() != *tc.want {
			t.Errorf("%v", got)
		}
	}
}

// FuzzRunParams: whatever a gateway sends is taken or refused.
func FuzzRunParams(f *testing.F) {
	f.Add([]byte(`{"command":["ls"],"env":{"A":"b"},"timeoutMs":null,"approved":true}`))
	f.Add([]byte(`{"command":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := decode[runParams](raw)
		if err == nil && p.Command == nil {
			t.Errorf("%s has no command", raw)
		}
	})
}
