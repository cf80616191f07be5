package jsonwriter_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/internal/jsonwriter"
)

type sample struct {
	Text  string    `json:"text"`
	Count int       `json:"count"`
	Yes   bool      `json:"yes"`
	At    time.Time `json:"at"`
	Lists [][]int   `json:"lists"`
	Empty struct{}  `json:"empty"`
	Inner struct {
		Key string `json:"<key>"`
	} `json:"inner"`
}

func (s *sample) write(w *jsonwriter.Writer) {
	w.Open('{')
	w.Key("text")
	w.String(s.Text)
	w.Key("count")
	w.Int(s.Count)
	w.Key("yes")
	w.Bool(s.Yes)
	w.Key("at")
	w.Time(s.At)
	w.Key("lists")
	jsonwriter.Array(w, s.Lists, func(list *[]int) { jsonwriter.Array(w, *list, func(n *int) { w.Int(*n) }) })
	w.Key("empty")
	w.Open('{')
	w.Close('}')
	w.Key("inner")
	w.Open('{')
	w.Key("<key>")
	w.String(s.Inner.Key)
	w.Close('}')
	w.Close('}')
}

// check writes s in both forms and compares that with encoding/json.
func check(t *testing.T, s sample) {
	t.Helper()
	var indented bytes.Buffer
	enc := json.NewEncoder(&indented)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	compact, errCompact := json.Marshal(s)
	errIndented := enc.Encode(s)
	for _, form := range []struct {
		w    *jsonwriter.Writer
		want []byte
		err  error
	}{
		{jsonwriter.Compact(nil), compact, errCompact},
		{jsonwriter.Indented(nil), bytes.TrimSuffix(indented.Bytes(), []byte("\n")), errIndented},
	} {
		s.write(form.w)
		got, err := form.w.Bytes()
		if (err == nil) != (form.err == nil) || err == nil && !bytes.Equal(got, form.want) {
			t.Errorf("got  %s, %v\nwant %s, %v", got, err, form.want, form.err)
		}
	}
}

func TestWriter(t *testing.T) {
	t.Parallel()
	at := time.Date(2030, 1, 2, 3, 4, 5, 670, time.FixedZone("", 5400))
	for _, s := range []sample{
		{},
		{Text: "plain", Count: -1, Yes: true, At: at, Lists: [][]int{}},
		{Lists: [][]int{nil, {}, {1}, {2, 3}}},
		{At: at.AddDate(9000, 0, 0)},
		{At: at.In(time.FixedZone("", 24*3600))},
	} {
		check(t, s)
	}
}

func FuzzString(f *testing.F) {
	for _, s := range []string{"", "a", `"\/`, "\x00\x1f\x7f\n\t", "<a href=\"b&c\">", "é\u2028\u2029😀", "\xff\xc3", "\ufffd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { check(t, sample{Text: s}) })
}
