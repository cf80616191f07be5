package ledger

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func entry(instance string) Entry {
	return Entry{Profile: "dev", Instance: instance, PID: 4711, StartTime: 42, Exe: "/opt/x", BootID: "b", PGID: 4711, Cgroup: "/sys/fs/cgroup/x",
		StartedAt: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
}

func TestRecord(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.json")
	l, err := Open(path)
	if err != nil || l.Damage() != nil || len(l.Entries()) != 0 {
		t.Fatalf("new: %v, %v, %v", err, l.Damage(), l.Entries())
	}
	changed := entry("a")
	changed.PID = 4712
	for _, e := range []Entry{entry("a"), entry("b"), changed} {
		if err := l.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	want := []Entry{entry("b"), changed}
	again, err := Open(path)
	if err != nil || again.Damage() != nil {
		t.Fatal(err, again.Damage())
	}
	for _, got := range [][]Entry{l.Entries(), again.Entries()} {
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	if err := again.Remove("b", "no such one"); err != nil {
		t.Fatal(err)
	}
	if third, err := Open(path); err != nil || cmp.Diff([]Entry{changed}, third.Entries()) != "" {
		t.Errorf("after Remove: %v, %v", third.Entries(), err)
	}
	if err := l.Add(Entry{Instance: "c", PID: 1}); err == nil {
		t.Error("an entry without a start time was taken")
	}
}

// TestFailedWriteIsMadeUpFor: an entry that could not be written is written later.
func TestFailedWriteIsMadeUpFor(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	l, err := Open(filepath.Join(dir, "ledger.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Add(entry("a")); err == nil {
		t.Fatal("written to a directory that does not exist")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.Add(entry("b")); err != nil {
		t.Fatal(err)
	}
	if again, err := Open(filepath.Join(dir, "ledger.json")); err != nil || len(again.Entries()) != 2 {
		t.Errorf("got %v, %v", again.Entries(), err)
	}
}

// TestShorterAfterLonger: whatever was written before, the file holds the last
// record and nothing else, also beyond what is written in place.
func TestShorterAfterLonger(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.json")
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		e := entry("a")
		e.Exe = "/" + strings.Repeat("x", rapid.SampledFrom([]int{1, 100, 3000, page - 10, page, 3 * page}).Draw(r, "length"))
		if rapid.Bool().Draw(r, "anew") {
			if l, err = Open(path); err != nil {
				r.Fatal(err)
			}
		}
		if rapid.IntRange(0, 9).Draw(r, "clear") == 0 {
			if err := l.Clear(); err != nil {
				r.Fatal(err)
			}
		}
		if err := l.Begin(e); err != nil {
			r.Fatal(err)
		}
		again, err := Open(path)
		if err != nil || again.Damage() != nil {
			r.Fatal(err, again.Damage())
		}
		if d := cmp.Diff([]Entry{e}, again.Entries()); d != "" {
			r.Error(d)
		}
	})
}

func TestDamage(t *testing.T) {
	t.Parallel()
	for text, why := range map[string]string{
		"{":             "unexpected end",
		`{"version":2}`: "version 2",
		"[]":            "cannot unmarshal",
		`{"version":1,"entries":[{"instance":"a","pid":1,"startTime":1,"exe":"/x","bootId":"b"}]}`:  "entry 0 is incomplete",
		`{"version":1,"entries":[{"instance":"a","pid":-9,"startTime":1,"exe":"/x","bootId":"b"}]}`: "entry 0 is incomplete",
		strings.Repeat(" ", maxSize+1): "larger than",
	} {
		path := filepath.Join(t.TempDir(), "ledger.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if l.Damage() == nil || !strings.Contains(l.Damage().Error(), why) || len(l.Entries()) != 0 {
			t.Errorf("%.40q: damage %v, entries %v", text, l.Damage(), l.Entries())
		}
		if kept, err := os.ReadFile(path + BadSuffix); err != nil || string(kept) != text {
			t.Errorf("%.40q: kept %.40q, %v", text, kept, err)
		}
		if err := l.Add(entry("a")); err != nil {
			t.Error(err)
		}
		if again, err := Open(path); err != nil || again.Damage() != nil || len(again.Entries()) != 1 {
			t.Errorf("after it: %v, %v", again.Damage(), err)
		}
	}
}

// TestEmptyFile is what a power cut may leave.
func TestEmptyFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.json")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := Open(path); err != nil || l.Damage() != nil || len(l.Entries()) != 0 {
		t.Errorf("%v, %v", l, err)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.json")
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		wg.Go(func() {
			for range 20 {
				if err := l.Add(entry(name)); err != nil {
					t.Error(err)
				}
				if err := l.Remove(name); err != nil {
					t.Error(err)
				}
			}
			if err := l.Add(entry(name)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if again, err := Open(path); err != nil || len(again.Entries()) != 4 {
		t.Errorf("got %v, %v", again.Entries(), err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":1,"entries":[{"instance":"a","pid":4711,"startTime":1,"exe":"/x","bootId":"b","startedAt":"2026-11-01T12:00:00Z"}]}`))
	f.Add([]byte(`{"version":1,"entries":[{"instance":"a","pid":1}]}`))
	f.Add([]byte("\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		entries, err := parse(raw)
		for _, e := range entries {
			if err != nil || e.PID <= 1 || e.PGID < 0 || e.BootID == "" || e.StartTime == 0 {
				t.Errorf("%q: got %+v, %v", raw, e, err)
			}
		}
	})
}

// TestUnsettledEntriesStay: what an ended process may have left is known by its
// entry until that is over, also when others are begun meanwhile.
func TestUnsettledEntriesStay(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.json")
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	begin := func(instance string, want ...string) {
		t.Helper()
		if err := l.Begin(entry(instance)); err != nil {
			t.Fatal(err)
		}
		again, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range again.Entries() {
			got = append(got, e.Instance)
		}
		if !slices.Equal(got, want) {
			t.Errorf("after %s: %q, want %q", instance, got, want)
		}
	}
	begin("a", "a")
	begin("b", "a", "b")
	l.Settle("a")
	begin("c", "b", "c")
	l.Settle("b")
	l.Settle("c")
	l.Settle("d")
	begin("d", "b", "c") // it was over before it was written down
	begin("e", "e")
	for i := range 2 * maxUnsettled {
		if err := l.Begin(entry(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(l.Entries()); n != maxUnsettled+1 {
		t.Errorf("%d entries", n)
	}
}
