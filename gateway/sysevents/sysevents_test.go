package sysevents_test

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/coderclaw/coderclaw/gateway/sysevents"
)

// TestQueue holds the queue against a list that never forgets: what waits are its
// last notes, without blank ones and without two alike in a row.
func TestQueue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var q sysevents.Queue
		all := []string{}
		for _, text := range rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", " a ", "", " \n", "c"}), 0, 80).Draw(t, "notes") {
			q.Add(text)
			if text = strings.TrimSpace(text); text != "" && (len(all) == 0 || all[len(all)-1] != text) {
				all = append(all, text)
			}
			if got, want := q.List(), all[max(0, len(all)-sysevents.Most):]; !slices.Equal(got, want) {
				t.Fatalf("got %q, want %q", got, want)
			}
		}
	})
}

func TestLongNotesAreCut(t *testing.T) {
	t.Parallel()
	var q sysevents.Queue
	q.Add("x" + strings.Repeat("é", sysevents.MaxText))
	if got := q.List()[0]; len(got) != sysevents.MaxText-1 || !utf8.ValidString(got) {
		t.Errorf("%d bytes", len(got))
	}
}
