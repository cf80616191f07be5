package jsonfile

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

type entry struct {
	ID   string `json:"id"`
	Note string `json:"note,omitempty"`
}

func sound(key string, e entry) bool { return e.ID == key }

func TestWriteAndRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "made", "a.json")
	if m, err := ReadMap(path, sound); err != nil || m == nil || len(m) > 0 {
		t.Errorf("no file: %v, %v", m, err)
	}
	want := map[string]entry{"a": {"a", "x"}, "b": {ID: "b"}}
	if err := Write(path, want); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadMap(path, sound); err != nil || !maps.Equal(got, want) {
		t.Errorf("read %v, %v", got, err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.HasPrefix(string(text), "{\n  \"a\": {\n") || !strings.HasSuffix(string(text), "}\n") {
		t.Errorf("%q, %v", text, err)
	}
	for _, p := range []string{path, filepath.Dir(path)} {
		if info, err := os.Stat(p); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", p, info.Mode(), err)
		}
	}
	if err := Write(path, make(chan int)); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("what is no JSON: %v", err)
	}
}

// TestDamage: the error says which file, what is wrong with it, and what to do.
func TestDamage(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{":                "unexpected end",
		"null":             "holds null",
		"[]":               "cannot unmarshal",
		`{"a":{"id":"b"}}`: `the entry "a" is damaged`,
		`{"a":null}`:       `the entry "a" is damaged`,
	} {
		path := filepath.Join(t.TempDir(), "a.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ReadMap(path, sound)
		if err == nil || !strings.HasPrefix(err.Error(), path+": ") || !strings.Contains(err.Error(), want) || !strings.HasSuffix(err.Error(), "; mend or remove it") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzParseMap: whatever the file holds, reading it ends in sound entries or an error.
func FuzzParseMap(f *testing.F) {
	f.Add([]byte(`{"a":{"id":"a","note":"x"}}`))
	f.Add([]byte(`{"a":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := parseMap("a.json", raw, sound)
		if (m == nil) != (err != nil) {
			t.Errorf("%v, %v", m, err)
		}
		for key, e := range m {
			if e.ID != key {
				t.Errorf("%q: %+v", key, e)
			}
		}
	})
}
