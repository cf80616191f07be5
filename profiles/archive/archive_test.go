package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// look describes what lies below dir: kind, permissions and content.
func look(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || file == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		text := info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			raw, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			text += " " + string(raw)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(file)
			if err != nil {
				return err
			}
			text = "-> " + target
		}
		out[filepath.ToSlash(rel)] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func put(t testing.TB, file, text string, perm fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), perm); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, perm); err != nil {
		t.Fatal(err)
	}
}

// source makes a workspace with one of everything.
func source(t testing.TB) *os.Root {
	t.Helper()
	dir := t.TempDir()
	put(t, filepath.Join(dir, "a", "run.sh"), "#!", 0o755)
	put(t, filepath.Join(dir, "a", "big"), strings.Repeat("x", smallFile+5), 0o640)
	put(t, filepath.Join(dir, "skip", "x"), "", 0o600)
	put(t, filepath.Join(dir, "readme"), "hi", 0o444)
	for name, target := range map[string]string{"a/up": "../readme", "out": "../../x", "abs": "/etc", "dot": "./a/"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root
}

func manifest() Manifest {
	return Manifest{Profile: "work", Created: time.Unix(1700000000, 0).UTC(), Settings: map[string]any{"drain": "5s"}, Sessions: true, Secrets: true}
}

// pack makes an archive of source.
func pack(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, manifest())
	if err != nil {
		t.Fatal(err)
	}
	tree := Tree{Root: source(t), Dir: ".", As: WorkspaceDir, Link: LinkInside, Skip: func(name string) bool { return name == "skip" }}
	left, err := tree.Send(t.Context(), w)
	if err != nil || len(left) != 2 || left[0].Name != "workspace/abs" || left[1].Name != "workspace/out" {
		t.Fatalf("left %v, %v", left, err)
	}
	err = errors.Join(w.Config(ConfigName, []byte("{}")), w.Config("p/q/x.json5", []byte("1")), w.Config("p/y.json5", []byte("2")), w.Env([]byte("A=b")),
		w.Mkdir("agents", 0o700), w.Mkdir("agents/main", 0o700), w.Mkdir("agents/main/sessions", 0o700),
		w.File(t.Context(), File{Name: "agents/main/sessions/s.jsonl", Mode: 0o666, Size: 3}, strings.NewReader("{}\n")), w.Close())
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(t testing.TB, raw []byte, l Limits) (dir string, m Manifest, config []string, err error) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "into")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	r, err := Open(bytes.NewReader(raw))
	if err != nil {
		return dir, m, nil, err
	}
	config, err = r.Extract(t.Context(), d, l)
	return dir, r.Manifest, config, err
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	dir, m, config, err := read(t, pack(t), DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"coderclaw.json": "-rw------- {}", ".env": "-rw------- A=b", "p": "drwx------", "p/q": "drwx------", "p/q/x.json5": "-rw------- 1", "p/y.json5": "-rw------- 2",
		"agents": "drwx------", "agents/main": "drwx------", "agents/main/sessions": "drwx------", "agents/main/sessions/s.jsonl": "-rw------- {}\n",
		"workspace/a": "drwx------", "workspace/a/run.sh": "-rwxr-xr-x #!", "workspace/a/big": "-rw-r----- " + strings.Repeat("x", smallFile+5),
		"workspace/readme": "-rw-r--r-- hi", "workspace/a/up": "-> ../readme", "workspace/dot": "-> a",
	}
	got := look(t, dir)
	delete(got, "workspace") // as wide as the test's directory
	if runtime.GOOS != "windows" {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	wantManifest := manifest()
	wantManifest.Format = Format
	if diff := cmp.Diff(wantManifest, m); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{ConfigName, "p/q/x.json5", "p/y.json5"}, config); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestCopy sends a tree from one directory to another.
func TestCopy(t *testing.T) {
	t.Parallel()
	to := t.TempDir()
	d, err := OpenDir(to)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	tree := Tree{Root: source(t), Dir: "a", As: "b", Private: true, Link: func(_, target string) (string, string) { return target + "!", "" }}
	left, err := tree.Send(t.Context(), d)
	if err != nil || len(left) > 0 || d.Files != 2 || d.Bytes != smallFile+7 {
		t.Errorf("left %v, %v; %d files, %d bytes", left, err, d.Files, d.Bytes)
	}
	got := look(t, to)
	if got["b/up"] != "-> ../readme!" || !strings.HasPrefix(got["b/big"], "-rw------- xx") {
		t.Errorf("got %v", got)
	}
	if _, err := tree.Send(t.Context(), d); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a file was replaced: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tree.As = "c"
	if _, err := tree.Send(ctx, d); !errors.Is(err, context.Canceled) {
		t.Errorf("sent after the end: %v", err)
	}
}

// entry is one of a hostile archive.
type entry struct {
	tar.Header
	body string
}

func file(name, body string) entry {
	return entry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(body))}, body}
}

func other(kind byte, name, target string) entry {
	return entry{tar.Header{Typeflag: kind, Name: name, Linkname: target, Mode: 0o755}, ""}
}

const plainManifest = `{"format":1,"profile":"work"}`

// rawTar builds an archive as it comes, uncompressed.
func rawTar(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func compress(t testing.TB, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHostile(t *testing.T) {
	t.Parallel()
	first, config := file(manifestName, plainManifest), file("config/coderclaw.json", "{}")
	ws, conf := other(tar.TypeDir, "workspace/", ""), other(tar.TypeDir, "config/", "")
	withSessions := file(manifestName, `{"format":1,"profile":"work","sessions":true}`)
	small := Limits{Entries: 4, Bytes: 10}
	for name, tt := range map[string]struct {
		entries []entry
		want    string
	}{
		"fine":                 {[]entry{first, conf, config}, ""},
		"no manifest":          {[]entry{config}, "begins with"},
		"another format":       {[]entry{file(manifestName, `{"format":2,"profile":"work"}`), config}, "it has format 2, and this version reads only 1"},
		"unknown field":        {[]entry{file(manifestName, `{"format":1,"profile":"work","x":1}`)}, `unknown field "x"`},
		"two objects":          {[]entry{file(manifestName, plainManifest+"{}")}, "after top-level value"},
		"a bad name":           {[]entry{file(manifestName, `{"format":1,"profile":"../x"}`)}, "is not the name of a profile"},
		"manifest twice":       {[]entry{first, first}, "does not belong"},
		"no config":            {[]entry{first, ws}, "it holds no config"},
		"dots":                 {[]entry{first, config, ws, file("workspace/../x", "")}, "does not lead into the archive"},
		"dots alone":           {[]entry{first, config, other(tar.TypeDir, "../", "")}, "does not lead into the archive"},
		"absolute":             {[]entry{first, config, file("/etc/passwd", "")}, "does not lead into the archive"},
		"elsewhere":            {[]entry{first, config, file("supervisor.lock", "")}, "does not belong"},
		"config: approvals":    {[]entry{first, conf, file("config/Exec-Approvals.json", "")}, "cannot include a file of this name"},
		"config: nodes":        {[]entry{first, conf, file("config/nodes/paired.json", "")}, "cannot include a file of this name"},
		"config: old token":    {[]entry{first, conf, file("config/gateway/token-rotation.json", "")}, "cannot include a file of this name"},
		"config: key":          {[]entry{first, conf, file("config/gateway/browser.key", "")}, "cannot include a file of this name"},
		"config: lock":         {[]entry{first, conf, file("config/supervisor.lock", "")}, "cannot include a file of this name"},
		"config: env":          {[]entry{first, conf, file("config/.ENV", "")}, "cannot include a file of this name"},
		"config: link":         {[]entry{first, conf, other(tar.TypeSymlink, "config/x", "y")}, "it is no file of at most"},
		"env, undeclared":      {[]entry{first, config, file("env", "A=b")}, "does not belong"},
		"sessions, undeclared": {[]entry{first, config, other(tar.TypeDir, "agents/", "")}, "no sessions are in it"},
		"agent: other":         {[]entry{withSessions, config, file("agents/main/auth.json", "")}, "only the sessions"},
		"agent: stray":         {[]entry{withSessions, config, file("agents/x", "")}, "sessions are files in"},
		"agent: link":          {[]entry{withSessions, config, other(tar.TypeSymlink, "agents/a/sessions/x", "y")}, "sessions are files in"},
		"device":               {[]entry{first, config, ws, other(tar.TypeChar, "workspace/null", "")}, "only files, directories and symlinks"},
		"fifo":                 {[]entry{first, config, ws, other(tar.TypeFifo, "workspace/p", "")}, "only files, directories and symlinks"},
		"hard link":            {[]entry{first, config, ws, other(tar.TypeLink, "workspace/h", "config/coderclaw.json")}, "hard links are not accepted"},
		"link, absolute":       {[]entry{first, config, ws, other(tar.TypeSymlink, "workspace/l", "/etc")}, "leads to the absolute path"},
		"link, out":            {[]entry{first, config, ws, other(tar.TypeSymlink, "workspace/l", "..")}, "leads out"},
		"link, by a detour":    {[]entry{first, config, ws, other(tar.TypeSymlink, "workspace/l", "a/../b")}, "not in the shortest form"},
		"workspace is a link":  {[]entry{first, config, other(tar.TypeSymlink, "workspace", "x")}, "the workspace is a directory"},
		"workspace is a file":  {[]entry{first, config, file("workspace", "x")}, "the workspace is a directory"},
		"twice":                {[]entry{first, config, ws, file("workspace/a", "1"), file("workspace/a", "2")}, "exists"},
		"link over directory":  {[]entry{first, config, ws, other(tar.TypeDir, "workspace/a/", ""), other(tar.TypeSymlink, "workspace/a", "b")}, "exists"},
		"no directory":         {[]entry{first, config, file("workspace/a/b", "")}, "no such file"},
		"many entries":         {[]entry{first, config, ws, ws, ws, ws}, "more than 4 entries"},
		"many bytes":           {[]entry{first, config, ws, file("workspace/a", "123456789")}, "more than 10 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limits := DefaultLimits()
			if strings.HasPrefix(name, "many") {
				limits = small
			}
			dir, _, _, err := read(t, compress(t, rawTar(t, tt.entries...)), limits)
			switch {
			case tt.want == "" && err != nil, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			}
			contained(t, dir)
		})
	}
}

// TestDamaged: an archive that is not whole, or more than whole, is refused.
func TestDamaged(t *testing.T) {
	t.Parallel()
	good := pack(t)
	flipped := bytes.Clone(good)
	flipped[len(flipped)-6] ^= 1 // the checksum
	plain := rawTar(t, file(manifestName, plainManifest), file("config/coderclaw.json", "{}"))
	for name, raw := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "cut": good[:len(good)-9], "half": good[:len(good)/2], "checksum": flipped,
		"behind": append(bytes.Clone(good), 'x'), "two": append(bytes.Clone(good), good...),
		"behind the tar": compress(t, append(bytes.Clone(plain), 'x')), "tar cut": compress(t, plain[:700]),
	} {
		if _, _, _, err := read(t, raw, DefaultLimits()); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

// contained fails when anything lies beside dir, leads out of it, or is of a kind
// that an archive may not bring.
func contained(t testing.TB, dir string) {
	t.Helper()
	beside, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(beside) != 1 {
		t.Fatalf("beside the directory: %v, %v", beside, err)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode()&^(fs.ModePerm|fs.ModeDir|fs.ModeSymlink) != 0 {
			t.Errorf("%s has mode %s", file, info.Mode())
		}
		if to, err := filepath.EvalSymlinks(file); err == nil && to != real && !strings.HasPrefix(to, real+string(filepath.Separator)) {
			t.Errorf("%s leads to %s", file, to)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// FuzzRead: whatever the tar, nothing of it lands outside.
func FuzzRead(f *testing.F) {
	first, config := file(manifestName, `{"format":1,"profile":"w","secrets":true,"sessions":true}`), file("config/coderclaw.json", "{}")
	ws := other(tar.TypeDir, "workspace/", "")
	f.Add(rawTar(f, first, config, ws, file("workspace/a", "x"), other(tar.TypeSymlink, "workspace/l", "a"), file("env", "A=b")))
	f.Add(rawTar(f, first, config, ws, other(tar.TypeDir, "workspace/d/", ""), other(tar.TypeSymlink, "workspace/d/l", "../d"), file("workspace/d/l/x", "")))
	f.Add(rawTar(f, first, other(tar.TypeDir, "agents/", ""), other(tar.TypeDir, "agents/a/", ""), other(tar.TypeDir, "agents/a/sessions/", ""), file("agents/a/sessions/s", "{}")))
	f.Fuzz(func(t *testing.T, raw []byte) {
		dir := filepath.Join(t.TempDir(), "into")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		d, err := OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if _, err := Open(bytes.NewReader(raw)); err == nil {
			t.Error("a tar that is not compressed was accepted")
		}
		plain := bytes.NewReader(raw)
		in := tar.NewReader(plain)
		m, err := readManifest(in)
		if err != nil {
			return
		}
		_, _ = extract(t.Context(), m, in, plain, d, Limits{Entries: 50, Bytes: 1 << 16})
		contained(t, dir)
	})
}

// FuzzLink: a link that is accepted leads to a place below its directory.
func FuzzLink(f *testing.F) {
	f.Add("a/b", "../c")
	f.Add("x", "y/../../z")
	f.Fuzz(func(t *testing.T, name, target string) {
		if checkName(name) != nil {
			return
		}
		to, why := LinkInside(name, target)
		if why != "" {
			return
		}
		if err := checkLink(name, to); err != nil {
			t.Errorf("%q -> %q became %q, which is refused: %v", name, target, to, err)
		}
		if !filepath.IsLocal(filepath.Join(filepath.Dir(name), filepath.FromSlash(to))) {
			t.Errorf("%q -> %q leads out", name, to)
		}
	})
}
