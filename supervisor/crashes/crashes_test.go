package crashes

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

func at(second int) time.Time { return time.Date(2030, 1, 2, 3, 4, second, 0, time.UTC) }

func add(t *testing.T, s *Store, r Record) string {
	t.Helper()
	id, err := s.Add(r)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestAddAndGet(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state", "crashes")
	s := Open(dir)
	if list, err := s.List(); len(list) != 0 || err != nil {
		t.Errorf("before the first: %v, %v", list, err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("looking made the directory")
	}
	want := Record{Profile: "dev", At: at(5), Class: "crash", Code: -1, Signal: "SIGSEGV", Phase: "ready", PID: 4711, Ran: 90 * time.Second,
		Reason: "killed by SIGSEGV (crash)", ConfigHash: "c0", BinaryHash: "b0", Dump: "goroutine 1 [running]:\n<x> & y\n", Tail: "last words\n"}
	want.ID = add(t, s, want)
	got, err := Open(dir).Get(want.ID)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	if want.ID != "20300102-030405" {
		t.Errorf("id %s", want.ID)
	}
	for path, mode := range map[string]fs.FileMode{dir: 0o700, filepath.Join(dir, want.ID+".json"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	for _, id := range []string{"20300102-030406", "../dev/20300102-030405", "", "x"} {
		if _, err := s.Get(id); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestTheLastTenStay(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir())
	var wg sync.WaitGroup
	for i := range 25 {
		wg.Go(func() { add(t, s, Record{At: at(i / 5), PID: i + 1}) })
	}
	wg.Wait()
	late := add(t, s, Record{At: at(0).AddDate(-1, 0, 0)}) // the clock was set back
	list, err := s.List()
	if err != nil || len(list) != Keep {
		t.Fatalf("%d are kept, %v", len(list), err)
	}
	for i, r := range list[:Keep-1] {
		if r.At.Before(at(3)) || i > 0 && r.At.After(list[i-1].At) {
			t.Errorf("%d is of %v", i, r.At)
		}
	}
	if list[Keep-1].ID != late {
		t.Errorf("the newest was removed, for its time: %v", list[Keep-1].ID)
	}
}

// TestOneSecond: crashes of one second have names of their own, and an order.
func TestOneSecond(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir())
	for i := range 12 {
		add(t, s, Record{At: at(1), PID: i})
	}
	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range list {
		if i > 0 && r.PID >= list[i-1].PID {
			t.Errorf("%d: pid %d after %d", i, r.PID, list[i-1].PID)
		}
	}
}

func TestUnreadableFilesStay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := Open(dir)
	bad := map[string]string{
		"20200102-030405.json":   "{",
		"20200102-030406.json":   `{"id": "20300102-030407", "at": "2030-01-02T03:04:05Z"}`,
		"20200102-030407-2.json": `{"id": "20200102-030407-2"}`,
	}
	for name, text := range bad {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "notes.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range Keep + 5 {
		add(t, s, Record{At: at(i)})
	}
	list, err := s.List()
	if len(list) != Keep || err == nil {
		t.Fatalf("%d records, %v", len(list), err)
	}
	for name := range bad {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
	if strings.Contains(err.Error(), "notes") {
		t.Errorf("a file that is none of ours: %v", err)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	s := Open(t.TempDir())
	var lines strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&lines, "line %d\n", i)
	}
	r, err := s.Get(add(t, s, Record{At: at(1), Tail: lines.String(), Dump: strings.Repeat("\x01", 2*MaxDump)}))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Tail) > MaxTail || len(r.Tail) < MaxTail-20 || !strings.HasPrefix(r.Tail, "line ") || !strings.HasSuffix(lines.String(), r.Tail) {
		t.Errorf("%d bytes: %.20q", len(r.Tail), r.Tail)
	}
	if len(r.Dump) > MaxDump+20 || !strings.HasSuffix(r.Dump, "cut\n") {
		t.Errorf("a dump of %d bytes", len(r.Dump))
	}
	r, err = s.Get(add(t, s, Record{At: at(1), Tail: strings.Repeat("y", 2*MaxTail)}))
	if err != nil || len(r.Tail) != MaxTail {
		t.Errorf("one long line: %d bytes, %v", len(r.Tail), err)
	}
}

// FuzzDecode: whatever can be read is written so that it reads the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"id": "20300102-030405", "at": "2030-01-02T03:04:05Z", "class": "crash", "ranNs": 5, "tail": "x\n"}`))
	f.Add([]byte(`{"id": "20300102-030405-12", "at": "2030-01-02T03:04:05.5+01:00", "more": [1]}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := decode(text)
		if err != nil {
			return
		}
		again, err := encode(r)
		if err != nil {
			return // a year that JSON has no form for
		}
		back, err := decode(again)
		if err != nil || !back.At.Equal(r.At) {
			t.Fatalf("%v, %v of %s", back.At, err, again)
		}
		back.At = r.At
		if back != r {
			t.Errorf("got %+v, want %+v", back, r)
		}
	})
}
