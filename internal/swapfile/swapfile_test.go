package swapfile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/coderclaw/coderclaw/internal/swapfile"
)

// stand makes p stand at path.
func stand(t *testing.T, path string, p swapfile.Place, data string) {
	t.Helper()
	var err error
	switch p.Kind {
	case swapfile.File:
		err = os.WriteFile(path, []byte(data), 0o600)
	case swapfile.Link:
		err = os.Symlink(p.Target, path)
	case swapfile.Dir:
		err = os.Mkdir(path, 0o700)
	}
	if err == nil && (p.Kind == swapfile.File || p.Kind == swapfile.Dir) {
		err = os.Chmod(path, p.Mode.FileMode())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func at(t *testing.T, path string) swapfile.Place {
	t.Helper()
	p, _, err := swapfile.Look(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// alone fails when there is something beside the path in its directory.
func alone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != filepath.Base(path) {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}

func spare(path string) string { return filepath.Join(filepath.Dir(path), ".spare.tmp") }

var (
	nothing = swapfile.Place{Kind: swapfile.Missing}
	one     = swapfile.Holds([]byte("one"), 0o600)
	two     = swapfile.Holds([]byte("two"), 0o644)
	wide    = swapfile.Holds([]byte("one"), 0o644)
	link    = swapfile.Place{Kind: swapfile.Link, Target: "/dev/null"}
	other   = swapfile.Place{Kind: swapfile.Link, Target: "elsewhere"}
	dir     = swapfile.Place{Kind: swapfile.Dir, Mode: 0o700}
	openDir = swapfile.Place{Kind: swapfile.Dir, Mode: 0o2755}
)

var content = map[string]string{one.Hash: "one", two.Hash: "two"}

// TestDo makes every change that can be made, when what is expected stands there and when not.
func TestDo(t *testing.T) {
	t.Parallel()
	all := []swapfile.Place{nothing, one, two, wide, link, other, dir, openDir}
	for _, from := range all {
		for _, to := range all {
			for _, really := range all {
				path := filepath.Join(t.TempDir(), "f")
				stand(t, path, really, content[really.Hash])
				c := swapfile.Change{Path: path, From: from, To: to, Data: []byte(content[to.Hash]), Spare: spare(path)}
				err := c.Do()
				name := fmt.Sprintf("from %v to %v, found %v", from, to, really)
				mixed := (from.Kind == swapfile.Dir) != (to.Kind == swapfile.Dir) && from.Kind != swapfile.Missing && to.Kind != swapfile.Missing
				switch {
				case mixed:
					if err == nil || at(t, path) != really {
						t.Errorf("%s: %v, now %v", name, err, at(t, path))
					}
				case really == from:
					if err != nil || at(t, path) != to {
						t.Errorf("%s: %v, now %v", name, err, at(t, path))
					}
				default:
					changed, ok := errors.AsType[*swapfile.ChangedError](err)
					// Of a file whose permissions alone are to change the content does not count.
					alone := from.Kind == to.Kind && from.Hash == to.Hash && from.Kind == really.Kind && from.Mode == really.Mode && from.Target == "" && from != to
					if !alone && (!ok || changed.Have != really || changed.Want != from || at(t, path) != really) {
						t.Errorf("%s: %v, now %v", name, err, at(t, path))
					}
				}
				alone(t, path)
			}
		}
	}
}

// TestPersonWins: of an edit that is made at any moment of a change nothing is
// lost, and nobody ever reads half a file.
func TestPersonWins(t *testing.T) {
	t.Parallel()
	for _, inPlace := range []bool{true, false} {
		path := filepath.Join(t.TempDir(), "f")
		stand(t, path, swapfile.Place{Kind: swapfile.File, Mode: 0o600}, "")
		done := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			defer close(done)
			for i := range 400 {
				text := edited(i)
				if inPlace {
					if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
						t.Error(err)
					}
				} else {
					tmp := path + ".person"
					if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
						t.Error(err)
					}
					if err := os.Rename(tmp, path); err != nil {
						t.Error(err)
					}
				}
			}
		})
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				seen, text, err := swapfile.Look(path)
				if err != nil || seen.Kind != swapfile.File {
					continue
				}
				next := []byte(strings.TrimSuffix(string(text), mark) + mark)
				err = swapfile.Change{Path: path, From: seen, To: swapfile.Holds(next, 0o600), Data: next, Spare: spare(path)}.Do()
				if changed, ok := errors.AsType[*swapfile.ChangedError](err); ok && changed.Kept != "" {
					if err := os.Remove(changed.Kept); err != nil {
						t.Error(err)
					}
				} else if err != nil && !ok {
					t.Error(err)
				}
			}
		})
		wg.Wait()
		got, err := os.ReadFile(path)
		if err != nil || strings.TrimSuffix(string(got), mark) != edited(399) {
			t.Errorf("in place %t: the last edit was lost, %d bytes are left: %v", inPlace, len(got), err)
		}
	}
}

const mark = "# ours\n"

func edited(i int) string { return strings.Repeat(fmt.Sprintf("edit %d\n", i), 1000) }

// TestSettle brings every state in which a crash can leave a change to one without a spare.
func TestSettle(t *testing.T) {
	t.Parallel()
	edit := swapfile.Holds([]byte("edit"), 0o600)
	content := map[string]string{one.Hash: "one", two.Hash: "two", edit.Hash: "edit"}
	for name, tc := range map[string]struct{ from, to, path, spare, want swapfile.Place }{
		"not begun":                      {one, two, one, nothing, one},
		"half written":                   {one, two, one, edit, one},
		"new, half written":              {nothing, two, nothing, edit, nothing},
		"written":                        {one, two, one, two, one},
		"exchanged":                      {one, two, two, one, two},
		"exchanged with an edit":         {one, two, two, edit, edit},
		"linked":                         {nothing, two, two, two, two},
		"taken away":                     {one, nothing, nothing, one, nothing},
		"an edit taken away":             {one, nothing, nothing, edit, edit},
		"a link exchanged with an edit":  {link, two, two, edit, edit},
		"done":                           {one, two, two, nothing, two},
		"done, and edited after":         {one, two, edit, one, edit},
		"an edit that was taken for one": {one, two, two, other, other},
	} {
		path := filepath.Join(t.TempDir(), "f")
		stand(t, path, tc.path, content[tc.path.Hash])
		stand(t, spare(path), tc.spare, content[tc.spare.Hash])
		kept, err := swapfile.Change{Path: path, From: tc.from, To: tc.to, Spare: spare(path)}.Settle()
		if err != nil || kept != "" || at(t, path) != tc.want {
			t.Errorf("%s: %q, %v, now %v", name, kept, err, at(t, path))
		}
		alone(t, path)
	}
}

// TestSettleKeeps: what is nobody's but the person's stays, and is named.
func TestSettleKeeps(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "f")
	stand(t, path, other, "")
	stand(t, spare(path), swapfile.Place{Kind: swapfile.File, Mode: 0o600}, "an edit")
	kept, err := swapfile.Change{Path: path, From: one, To: two, Spare: spare(path)}.Settle()
	if err != nil || kept != spare(path) || at(t, path) != other {
		t.Errorf("%q, %v, now %v", kept, err, at(t, path))
	}
}

func TestModeText(t *testing.T) {
	t.Parallel()
	for _, m := range []swapfile.Mode{0, 0o600, 0o755, 0o2755, 0o7777} {
		text, err := m.MarshalText()
		var back swapfile.Mode
		if err != nil || back.UnmarshalText(text) != nil || back != m || swapfile.ModeOf(m.FileMode()) != m {
			t.Errorf("%v: %s, %v", m, text, back)
		}
	}
	var m swapfile.Mode
	for _, bad := range []string{"", "8", "77777", "-1"} {
		if m.UnmarshalText([]byte(bad)) == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
