package handoff_test

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/internal/handoff"
)

func TestReadDoesNotWaitForTheEnd(t *testing.T) {
	t.Parallel()
	want := handoff.Message{Profile: "dev", Instance: "i", StateDir: "/s", ConfigPath: "/c", Workspace: "/w", Port: 19001,
		Drain: 30 * time.Second, Env: map[string]string{"KEY": "line\nbreak"},
		Isolation: handoff.Isolation{Mode: "strict", Home: "/h", Allow: []string{"/a"}, ReadOnly: []string{"/r"}, Deny: []string{"/d"}}}
	line, err := handoff.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	go func() { _, _ = w.Write(line) }() // and stays open
	got, err := handoff.Read(r)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestEncodeRefusesWhatNoChildReads(t *testing.T) {
	t.Parallel()
	_, err := handoff.Encode(handoff.Message{Profile: "dev", Env: map[string]string{"KEY": strings.Repeat("x", 2<<20)}})
	if err == nil || !strings.Contains(err.Error(), `profile "dev"`) || !strings.Contains(err.Error(), "shorten its .env") {
		t.Errorf("got %v", err)
	}
}

func TestReadErrors(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                         "it went away before it finished",
		`{"profile":"x"`:           "it went away before it finished",
		"garbage\n":                "invalid character",
		"{}\n{}\n":                 "more than one line",
		strings.Repeat("x", 2<<20): "longer than",
	} {
		if _, err := handoff.Read(strings.NewReader(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: got %v", in, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("{\"profile\":\"x\"}\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if m, err := handoff.Read(bytes.NewReader(in)); err == nil && bytes.IndexByte(in, '\n') != len(in)-1 {
			t.Errorf("%q is taken for %+v", in, m)
		}
	})
}
