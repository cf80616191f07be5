package servicegen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const oldUnit = "[Service]\n# mine\nExecStart=/opt/old/coderclaw supervisor run --profile default\nNice=5\n"

// befores are what may be there when an installation begins.
var befores = map[string]func(t *testing.T, m *fakeManager, u Unit){
	"nothing": func(*testing.T, *fakeManager, Unit) {},
	"old, down": func(t *testing.T, _ *fakeManager, u Unit) {
		write(t, u.Path, oldUnit)
		chmod(t, u.Path, 0o640)
	},
	"old, enabled, running, with a drop-in": func(t *testing.T, m *fakeManager, u Unit) {
		running(oldUnit)(t, m, u)
		write(t, u.Path+".d/mine.conf", "[Service]\nTimeoutStopSec=99\n")
	},
	"old, running, wanted by another target, and by another name": func(t *testing.T, m *fakeManager, u Unit) {
		write(t, u.Path, oldUnit)
		link(t, "../"+u.Name, filepath.Join(m.dir, "graphical.target.requires", u.Name))
		link(t, u.Path, filepath.Join(m.dir, "other.service"))
		m.loaded, m.active = oldUnit, true
	},
	"old, enabled by a link of another text": func(t *testing.T, m *fakeManager, u Unit) {
		write(t, u.Path, oldUnit)
		link(t, "../"+u.Name, m.link(u))
	},
	"masked":  func(t *testing.T, _ *fakeManager, u Unit) { link(t, os.DevNull, u.Path) },
	"emptied": func(t *testing.T, _ *fakeManager, u Unit) { write(t, u.Path, "") },
	"a link to a kept file": func(t *testing.T, m *fakeManager, u Unit) {
		write(t, m.dir+"/kept", oldUnit)
		link(t, m.dir+"/kept", u.Path)
	},
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// steps is how many times an installation that goes well asks the manager, from
// this beginning; one more is the proof.
func steps(t *testing.T, before func(*testing.T, *fakeManager, Unit)) int {
	t.Helper()
	m, u, s := newFake(t)
	before(t, m, u)
	if _, err := Install(t.Context(), m, u, s, InstallOptions{}); err != nil {
		t.Fatal(err)
	}
	return len(m.asked) + 1
}

// breaking arranges that step n of an installation is broken by what.
func (m *fakeManager) breaking(n, total int, after bool, what func() error) InstallOptions {
	if n == total {
		return InstallOptions{Prove: func(context.Context, State) error { return what() }}
	}
	m.breakAt, m.after, m.what = n, after, what
	return InstallOptions{Prove: func(context.Context, State) error { return nil }}
}

// each runs do for each step of an installation from each beginning.
func each(t *testing.T, do func(t *testing.T, before func(*testing.T, *fakeManager, Unit), n, total int, after bool)) {
	for name, before := range befores {
		total := steps(t, before)
		for n := 1; n <= total; n++ {
			for _, after := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, step %d of %d, after %v", name, n, total, after), func(t *testing.T) {
					t.Parallel()
					do(t, before, n, total, after)
				})
			}
		}
	}
}

// TestInstallUndoes: whichever step fails, before or after it did its work, what was there is back.
func TestInstallUndoes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, before func(*testing.T, *fakeManager, Unit), n, total int, after bool) {
		m, u, s := newFake(t)
		before(t, m, u)
		want, active, loaded := whole(t, m.dir), m.active, m.loaded
		stop := errors.New("broken")
		o := m.breaking(n, total, after, func() error { return stop })
		_, err := Install(t.Context(), m, u, s, o)
		if !errors.Is(err, stop) || !strings.Contains(err.Error(), "everything is as it was") {
			t.Errorf("got %v", err)
		}
		if d := cmp.Diff(want, whole(t, m.dir)); d != "" {
			t.Errorf("(-before +after):\n%s", d)
		}
		if m.active != active || m.failed || m.active && m.loaded != loaded {
			t.Errorf("active %v, failed %v, loaded %q", m.active, m.failed, m.loaded)
		}
	})
}

// TestInstallAfterAKill: wherever an installation ends without a word, the next one
// leaves what it would have left alone.
func TestInstallAfterAKill(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, before func(*testing.T, *fakeManager, Unit), n, total int, after bool) {
		m, u, s := newFake(t)
		before(t, m, u)
		o := m.breaking(n, total, after, func() error { runtime.Goexit(); return nil })
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, err := Install(context.Background(), m, u, s, o)
			t.Errorf("the installation ended with %v", err)
		}()
		<-done
		m.breakAt = 0
		write(t, filepath.Join(m.dir, "."+u.Name+".123.tmp"), "half a un")
		if text, err := os.ReadFile(u.Path); err == nil && len(text) != 0 && string(text) != oldUnit && !strings.HasSuffix(string(text), "WantedBy=default.target\n") {
			t.Errorf("a torn file: %q", text)
		}
		if _, err := Install(t.Context(), m, u, s, InstallOptions{}); err != nil {
			t.Fatal(err)
		}
		fresh, freshUnit, _ := newFake(t)
		before(t, fresh, freshUnit)
		if _, err := Install(t.Context(), fresh, freshUnit, s, InstallOptions{}); err != nil {
			t.Fatal(err)
		}
		got, want := whole(t, m.dir), whole(t, fresh.dir)
		for _, files := range []map[string]string{got, want} {
			for path, text := range files {
				files[path] = strings.Replace(text, "-> ../", "-> DIR/", 1) // a link that is right already is not made anew
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-without a kill +with):\n%s", d)
		}
		text, err := os.ReadFile(u.Path)
		if err != nil || !m.active || m.loaded != string(text) {
			t.Errorf("active %v, loaded %q, on disk %q, %v", m.active, m.loaded, text, err)
		}
	})
}

// TestInstallKeepsAnEdit: what somebody writes while an installation decides stays.
func TestInstallKeepsAnEdit(t *testing.T) {
	t.Parallel()
	m, u, s := newFake(t)
	write(t, u.Path, "[Service]\nExecStart=/bin/sleep 1\n")
	edit := "[Service]\nExecStart=/bin/sleep 2\n"
	keep := func(string, []byte) error { return os.WriteFile(u.Path, []byte(edit), 0o600) }
	_, err := Install(t.Context(), m, u, s, InstallOptions{Force: true, Keep: keep})
	if err == nil || !strings.Contains(err.Error(), "somebody else has just changed") {
		t.Errorf("got %v", err)
	}
	if got := readText(t, u.Path); got != edit || len(m.asked) != 0 {
		t.Errorf("asked %q, the file holds %q", m.asked, got)
	}
}

// whole lists everything below dir with its mode and content, where dir itself is named alike.
func whole(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		text := info.Mode().String()
		if target, err := os.Readlink(path); err == nil {
			text += " -> " + strings.ReplaceAll(target, dir, "DIR")
		} else if !d.IsDir() {
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text += " " + string(raw)
		}
		out[strings.TrimPrefix(path, dir)] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
