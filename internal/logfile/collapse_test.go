package logfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// through sends batches through a collapser, and flushes it.
func through(batches ...string) string {
	var c collapser
	var out strings.Builder
	for _, b := range batches {
		out.Write(c.add([]byte(b), time.Time{}))
	}
	out.Write(c.flush())
	return out.String()
}

func record(second int, rest string) string {
	return fmt.Sprintf(`{"time":"2030-01-02T03:04:%02d.5Z",%s}`+"\n", second, rest)
}

func TestCollapse(t *testing.T) {
	t.Parallel()
	const hi = `"level":"WARN","msg":"hi"`
	summary := func(second int, level string, n int) string {
		return record(second, fmt.Sprintf(`"level":"%s","msg":"last line repeated","count":%d`, level, n))
	}
	for name, tc := range map[string]struct {
		in   []string
		want string
	}{
		"nothing":                    {nil, ""},
		"different lines":            {[]string{"a\nb\na\n"}, "a\nb\na\n"},
		"one repeat passes":          {[]string{"a\na\nb\n"}, "a\na\nb\n"},
		"repeats":                    {[]string{"a\na\na\na\nb\n"}, "a\n… repeated 3 times\nb\n"},
		"at the end":                 {[]string{"b\na\na\na\n"}, "b\na\n… repeated 2 times\n"},
		"across batches":             {[]string{"a\n", "a\n", "a\na\n", "b\n"}, "a\n… repeated 3 times\nb\n"},
		"two runs":                   {[]string{"a\na\na\nb\nb\nb\n"}, "a\n… repeated 2 times\nb\n… repeated 2 times\n"},
		"a line that begins another": {[]string{"a\nab\na\n"}, "a\nab\na\n"},
		"empty lines":                {[]string{"\n\n\n\nx\n"}, "\n… repeated 3 times\nx\n"},
		"zero bytes":                 {[]string{"\x00\x00\x00\x00\x00\x00\x00\x00\nx\n"}, "\x00\x00\x00\x00\x00\x00\x00\x00\nx\n"},
		"a long run":                 {[]string{strings.Repeat("again\n", 1001)}, "again\n… repeated 1000 times\n"},
		"records":                    {[]string{record(1, hi) + record(2, hi) + record(3, hi)}, record(1, hi) + summary(3, "WARN", 2)},
		"records, one repeat":        {[]string{record(1, hi), record(2, hi)}, record(1, hi) + record(2, hi)},
		"times of unequal length": {[]string{`{"time":"2030-01-02T03:04:05Z",` + hi + "}\n" + `{"time":"2030-01-02T03:04:05.123456789+01:00",` + hi + "}\n" + record(9, hi)},
			`{"time":"2030-01-02T03:04:05Z",` + hi + "}\n" + summary(9, "WARN", 2)},
		"records that differ":  {[]string{record(1, hi) + record(1, `"level":"WARN","msg":"ho"`)}, record(1, hi) + record(1, `"level":"WARN","msg":"ho"`)},
		"a strange level":      {[]string{record(1, `"level":"a\"b"`) + record(2, `"level":"a\"b"`) + record(3, `"level":"a\"b"`)}, record(1, `"level":"a\"b"`) + summary(3, "INFO", 2)},
		"a level above others": {[]string{record(1, `"level":"ERROR+96"`) + record(2, `"level":"ERROR+96"`) + record(3, `"level":"ERROR+96"`)}, record(1, `"level":"ERROR+96"`) + summary(3, "ERROR+96", 2)},
	} {
		if got := through(tc.in...); got != tc.want {
			t.Errorf("%s:\n got %q\nwant %q", name, got, tc.want)
		}
	}
}

// TestCollapseDoesNotHoldForEver: a run that goes on shows up all 10 s.
func TestCollapseDoesNotHoldForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c collapser
		var out []string
		for range 25 {
			out = append(out, string(c.add([]byte("a\n"), time.Now())))
			<-time.After(time.Second)
		}
		out = append(out, string(c.flush()))
		if got, want := strings.Join(out, ""), "a\n… repeated 10 times\n… repeated 10 times\n… repeated 4 times\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if out[11] != "… repeated 10 times\n" {
			t.Errorf("%q", out)
		}
	})
}

// TestFlood: in a batch that fills the pipe, a long run is found as well.
func TestFlood(t *testing.T) {
	t.Parallel()
	var in strings.Builder
	for i := range 400 {
		fmt.Fprintf(&in, "line %d of a flood\n", i)
	}
	in.WriteString(strings.Repeat("the same line again\n", 1000))
	for i := range 1000 {
		fmt.Fprintf(&in, "line %d of a flood\n", i)
	}
	got := through(in.String())
	if n := strings.Count(got, "\n"); n != 400+2+1000 {
		t.Errorf("%d lines", n)
	}
	if expand(got) != in.String() {
		t.Error("lines were lost")
	}
	plain := strings.ReplaceAll(got, "… repeated 999 times\n", "")
	if through(plain) != plain {
		t.Error("a flood without repeats was changed")
	}
}

var counted = regexp.MustCompile(`^… repeated (\d+) times\n$`)

// expand undoes the collapse of plain lines.
func expand(text string) string {
	var out strings.Builder
	last := ""
	for line := range strings.Lines(text) {
		if m := counted.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			out.WriteString(strings.Repeat(last, n))
			continue
		}
		out.WriteString(line)
		last = line
	}
	return out.String()
}

// FuzzCollapse: whatever comes in whatever batches, no line is lost and none is
// invented, and what was valid JSON stays it.
func FuzzCollapse(f *testing.F) {
	f.Add("a\na\na\nb\n", 2)
	f.Add(record(1, `"level":"INFO"`)+record(2, `"level":"INFO"`)+record(3, `"level":"INFO"`), 40)
	f.Add(strings.Repeat("flood\n", 20000), 50000)
	f.Fuzz(func(t *testing.T, text string, size int) {
		if strings.Contains(text, "… repeated ") || strings.Contains(text, "last line repeated") {
			return
		}
		var c collapser
		var out bytes.Buffer
		var rest []byte
		var all strings.Builder
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n") + "\n"
			all.WriteString(line)
			if rest = append(rest, line...); len(rest) >= size {
				out.Write(c.add(rest, time.Time{}))
				rest = nil
			}
		}
		if len(rest) > 0 {
			out.Write(c.add(rest, time.Time{}))
		}
		out.Write(c.flush())
		whole := all.String()
		if !strings.Contains(text, timeKey) {
			if got := expand(out.String()); got != whole {
				t.Fatalf("got %q, want %q", got, whole)
			}
			return
		}
		lines := 0
		for line := range strings.Lines(out.String()) {
			var r struct {
				Msg   string
				Count int
			}
			switch m := counted.FindStringSubmatch(line); {
			case m != nil:
				n, _ := strconv.Atoi(m[1])
				lines += n
			case strings.Contains(line, "last line repeated"):
				if err := json.Unmarshal([]byte(line), &r); err != nil {
					t.Fatalf("%q: %v", line, err)
				}
				lines += r.Count
			default:
				lines++
			}
		}
		if want := strings.Count(whole, "\n"); lines != want {
			t.Fatalf("%d lines of %d in %q", lines, want, out.String())
		}
	})
}

// FuzzParseName: a name that is taken for ours is written back as it was.
func FuzzParseName(f *testing.F) {
	for _, s := range []string{"coderclaw-2030-01-02.log", "coderclaw-2030-01-02.7.log", "coderclaw-notes.log", "coderclaw-2030-01-02.07.log", "coderclaw-2030-02-31.log"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		k, ok := parseName(name)
		if !ok {
			return
		}
		back := currentPath("", k.day)
		if k.part != current {
			back = partPath("", k.day, k.part)
		}
		if back != name {
			t.Errorf("%q became %q", name, back)
		}
	})
}

// TestTakeBack: of a write that the disk cut short, whole lines stay.
func TestTakeBack(t *testing.T) {
	t.Parallel()
	w, err := Open(Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write([]byte("before\n")); err != nil {
		t.Fatal(err)
	}
	p := []byte("one\ntwo\nthree\n")
	if _, err := w.file.Write(p[:10]); err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	n := w.takeBackLocked(p, 10)
	w.mu.Unlock()
	if n != 8 {
		t.Errorf("%d bytes stay", n)
	}
	if got, err := os.ReadFile(w.Path()); string(got) != "before\none\ntwo\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
