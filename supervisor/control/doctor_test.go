package control

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzReadDoctor(f *testing.F) {
	f.Add(`{"stream":"stdout","line":"a"}` + "\n" + `{"exit":1}`)
	f.Add(`{"exit":null}{"exit":-1}`)
	f.Add("x")
	f.Fuzz(func(t *testing.T, in string) {
		total := 0
		exit, err := readDoctor(strings.NewReader(in), func(stream, text string) { total += len(stream) })
		if err != nil && exit != -1 {
			t.Errorf("%d beside %v", exit, err)
		}
		if err == nil && !strings.Contains(strings.ToLower(in), "exit") && !strings.Contains(in, `\u`) {
			t.Error("an exit code out of nothing")
		}
		if total > utf8.UTFMax*len(in) { // a byte that is no text becomes a character of three
			t.Errorf("%d bytes out of %d", total, len(in))
		}
	})
}
