package confine

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// tree is a filesystem of the test's own: paths of its files, with a "/" at the
// end of empty directories and an "@" at the end of symlinks.
type tree []string

func (t tree) list(dir string) ([]entry, error) {
	if strings.HasSuffix(dir, "locked") {
		return nil, fs.ErrPermission
	}
	seen := map[string]entry{}
	for _, p := range t {
		rest, ok := strings.CutPrefix(p, strings.TrimSuffix(dir, "/")+"/")
		if !ok || rest == "" {
			continue
		}
		name, _, isDir := strings.Cut(rest, "/")
		name, link := strings.CutSuffix(name, "@")
		seen[name] = entry{name: name, dir: isDir, symlink: link}
	}
	if len(seen) == 0 {
		return nil, fs.ErrNotExist
	}
	var out []entry
	for _, e := range seen {
		out = append(out, e)
	}
	return out, nil
}

func (t tree) isDir(p string) (dir, exists bool) {
	for _, f := range t {
		if f == p {
			return false, true
		}
		if p == "/" || strings.HasPrefix(f, p+"/") {
			return true, true
		}
	}
	return false, false
}

func composed(t tree, m *mark) (string, []string) {
	c := composer{fs: t}
	c.compose("/", m, nothing, nothing)
	var lines []string
	for _, r := range c.rules {
		lines = append(lines, fmt.Sprintf("%s%s %s", r.path, map[bool]string{true: "/"}[r.dir], map[rights]string{read: "r", read | write: "rw"}[r.rights]))
	}
	slices.Sort(lines)
	return strings.Join(lines, ", "), c.notes
}

func marked(m *mark, r rights, paths ...string) {
	for _, p := range paths {
		m.at(p, r)
	}
}

func TestCompose(t *testing.T) {
	t.Parallel()
	disk := tree{"/usr/bin/sh", "/bin@", "/etc/passwd", "/etc/ssh/key", "/home/u/.ssh/id", "/home/u/a/f", "/home/u/b/f", "/home/v/x", "/srv/a/", "/srv/b/", "/srv/c", "/dev/null", "/dev/vda", "/locked/f"}
	for name, tc := range map[string]struct {
		hidden, own, seen []string
		want, note        string
	}{
		"nothing hidden":  {want: "// r"},
		"own in the open": {own: []string{"/srv/a"}, want: "// r, /srv/a/ rw"},
		"hidden home, own in it": {hidden: []string{"/home"}, own: []string{"/home/u/a"},
			want: "/dev/ r, /etc/ r, /home/u/a/ rw, /locked/ r, /srv/ r, /usr/ r"},
		"a sibling outside": {hidden: []string{"/srv/b"}, own: []string{"/srv/a"},
			want: "/dev/ r, /etc/ r, /home/ r, /locked/ r, /srv/a/ rw, /srv/c r, /usr/ r"},
		"a sibling that is not there yet": {hidden: []string{"/srv/d"}, want: "/dev/ r, /etc/ r, /home/ r, /locked/ r, /srv/a/ r, /srv/b/ r, /srv/c r, /usr/ r"},
		"hidden below nothing":            {hidden: []string{"/no/such"}, want: "/dev/ r, /etc/ r, /home/ r, /locked/ r, /srv/ r, /usr/ r"},
		"hidden in what is allowed": {hidden: []string{"/home", "/home/u/b"}, own: []string{"/home/u"},
			want: "/dev/ r, /etc/ r, /home/u/.ssh/ rw, /home/u/a/ rw, /locked/ r, /srv/ r, /usr/ r", note: "/home/u: nothing new can be made"},
		"to be seen only": {hidden: []string{"/home"}, own: []string{"/home/u"}, seen: []string{"/home/u/b/f"},
			want: "/dev/ r, /etc/ r, /home/u/.ssh/ rw, /home/u/a/ rw, /home/u/b/f r, /locked/ r, /srv/ r, /usr/ r", note: "/home/u/b: nothing new"},
		"devices": {hidden: []string{"/dev"}, own: []string{"/dev/null", "/dev/nowhere"},
			want: "/dev/null rw, /etc/ r, /home/ r, /locked/ r, /srv/ r, /usr/ r"},
		"not to be listed": {hidden: []string{"/locked/x"}, want: "/dev/ r, /etc/ r, /home/ r, /srv/ r, /usr/ r", note: "/locked: permission denied"},
	} {
		m := &mark{set: true, rights: read}
		marked(m, nothing, tc.hidden...)
		marked(m, read|write, tc.own...)
		marked(m, read, tc.seen...)
		got, notes := composed(disk, m)
		if got != tc.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, tc.want)
		}
		if all := strings.Join(notes, "\n"); (tc.note == "") != (all == "") || !strings.Contains(all, tc.note) {
			t.Errorf("%s: notes %q; want %q", name, notes, tc.note)
		}
	}
}

func TestComposeManyEntries(t *testing.T) {
	t.Parallel()
	var disk tree
	for i := range maxEntries + 1 {
		disk = append(disk, fmt.Sprintf("/big/%d", i))
	}
	m := &mark{set: true, rights: read}
	marked(m, nothing, "/big/7")
	marked(m, read|write, "/big/8")
	got, notes := composed(disk, m)
	if got != "/big/8 rw" || len(notes) != 1 || !strings.Contains(notes[0], "too many") {
		t.Errorf("got %s, %q", got, notes)
	}
}

// TestComposeModel: whatever is marked, each file gets exactly the rights of the
// innermost mark around it, and no directory gets more.
func TestComposeModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b", "c"})
		file := rapid.Custom(func(t *rapid.T) string {
			return "/" + path.Join(rapid.SliceOfN(name, 1, 4).Draw(t, "path")...)
		})
		var disk tree
		for _, f := range rapid.SliceOfN(file, 1, 12).Draw(t, "files") {
			if !slices.ContainsFunc(disk, func(o string) bool { return o == f || strings.HasPrefix(o, f+"/") || strings.HasPrefix(f, o+"/") }) {
				disk = append(disk, f)
			}
		}
		base := rapid.SampledFrom([]rights{nothing, read, read | write})
		m := &mark{set: true, rights: base.Draw(t, "rights of the root")}
		set := map[string]rights{"/": m.rights}
		for _, p := range rapid.SliceOfN(file, 0, 6).Draw(t, "marked") {
			if slices.ContainsFunc(disk, func(f string) bool { return strings.HasPrefix(p, f+"/") }) {
				continue // in a file there is nothing
			}
			set[p] = base.Draw(t, "rights")
			m.at(p, set[p])
		}
		want := func(p string) rights {
			for ; ; p = path.Dir(p) {
				if r, ok := set[p]; ok {
					return r
				}
			}
		}
		c := composer{fs: disk}
		c.compose("/", m, nothing, nothing)
		got := func(p string) (sum rights) {
			for ; ; p = path.Dir(p) {
				for _, r := range c.rules {
					if r.path == p {
						sum |= r.rights
					}
				}
				if p == "/" {
					return sum
				}
			}
		}
		for _, f := range disk {
			if got(f) != want(f) {
				t.Fatalf("%s has %b; want %b; rules %v", f, got(f), want(f), c.rules)
			}
			for d := path.Dir(f); d != "/"; d = path.Dir(d) {
				if got(d)&^want(d) != 0 {
					t.Fatalf("directory %s has %b; want %b at most; rules %v", d, got(d), want(d), c.rules)
				}
			}
		}
		for _, r := range c.rules {
			if dir, exists := disk.isDir(r.path); !exists || dir != r.dir {
				t.Fatalf("rule %v is for what is not there", r)
			}
		}
	})
}
