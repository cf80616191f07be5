package json5

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSet(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, src, path, lit, want string }{
		{"replaces only the value", "// c\n{a: 1, /* x */ b : 0x10 /* y */}", "b", "2", "// c\n{a: 1, /* x */ b : 2 /* y */}"},
		{"replaces deep", "{\n  gateway: { port: 1, },\n}\n", "gateway.port", "18789", "{\n  gateway: { port: 18789, },\n}\n"},
		{"comment after the literal", "{a: 1}", "a", "2 // two", "{a: 2}"},
		{"empty root", "{}\n", "a", "1", "{\n  \"a\": 1\n}\n"},
		{"empty root, deep", "{ }", "a.b.c", `"x"`, "{\n  \"a\": {\n    \"b\": {\n      \"c\": \"x\"\n    }\n  }\n}"},
		{"only a comment inside", "{ // nothing yet\n}", "a", "1", "{ // nothing yet\n  \"a\": 1\n}"},
		{"last without comma", "{\n    \"a\": 1 // one\n}\n", "b", "2", "{\n    \"a\": 1, // one\n    \"b\": 2\n}\n"},
		{"last with comma", "{\n\ta: 1, // one\n\t// end\n}\n", "b", "2", "{\n\ta: 1, // one\n\t// end\n\tb: 2,\n}\n"},
		{"inline", `{a: {b: 1}}`, "a.c", "2", `{a: {b: 1, c: 2}}`},
		{"inline, comma", `{ "a": 1, }`, "b.c", "2", `{ "a": 1, "b": { "c": 2 }, }`},
		{"inline, comment", `{ a: 1 /* x */ }`, "b", "2", `{ a: 1, /* x */ b: 2 }`},
		{"nested empty", "{\n  gateway: {},\n  x: 1\n}", "gateway.mode", `"local"`, "{\n  gateway: {\n    mode: \"local\"\n  },\n  x: 1\n}"},
		{"key that needs quotes", "{a: 1\n}", "b-c", "2", "{a: 1,\n  \"b-c\": 2\n}"},
		{"crlf", "{\r\n  \"a\": 1\r\n}\r\n", "b.c", "2", "{\r\n  \"a\": 1,\r\n  \"b\": {\r\n    \"c\": 2\r\n  }\r\n}\r\n"},
		{"comment ended by a separator", "{a: 1 // x\u2028}", "b", "2", "{a: 1, // x\n  b: 2\u2028}"},
		{"root", " 1 // x", "", "{}", " {} // x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Set([]byte(tt.src), splitPath(tt.path), tt.lit)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("got\n%q\nwant\n%q", got, tt.want)
			}
		})
	}
}

func TestSetErrors(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ src, path, lit, want string }{
		{"{", "a", "1", `line 1, column 2: expected a key or '}', found the end of the file`},
		{"{}", "a", "x", `the new value: line 1, column 1: unknown word "x"; text needs quotes`},
		{"{\na: 1}", "a.b.c", "1", `cannot set a.b.c: line 2: "a" is no object but of kind number`},
	} {
		if _, err := Set([]byte(tt.src), splitPath(tt.path), tt.lit); err == nil || err.Error() != tt.want {
			t.Errorf("Set(%q, %s):\n got %v\nwant %s", tt.src, tt.path, err, tt.want)
		}
	}
}

func splitPath(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ".")
}

// FuzzSet holds that the edited text has the value at the path, all else unchanged,
// and that an existing value is replaced without touching any byte beside it.
func FuzzSet(f *testing.F) {
	f.Add([]byte("{a: {b: 1 /* x */}, // y\n c: [1],\n}"), "a", "d", "3")
	f.Add([]byte("{}"), "gateway", "mode", `"local"`)
	f.Add([]byte("{ 'a': {} // x\u2028}"), "a", "", "[1, // z\n]")
	f.Add([]byte("{\r\n\t\"a\": {\r\n\t\t\"b\": null,\r\n\t},\r\n}"), "a", "b", "0x1")
	f.Fuzz(func(t *testing.T, src []byte, k1, k2, lit string) {
		if !utf8.ValidString(k1) || !utf8.ValidString(k2) {
			return
		}
		path := []string{k1, k2}
		out, err := Set(src, path, lit)
		if err != nil {
			return
		}
		before, err := Parse(src)
		if err != nil {
			t.Fatalf("Set read %q, Parse does not: %v", src, err)
		}
		after, err := Parse(out)
		if err != nil {
			t.Fatalf("Set(%q, %q, %q) = %q: %v", src, path, lit, out, err)
		}
		want, err := Parse([]byte(lit))
		if err != nil {
			t.Fatalf("Set took the literal %q, Parse does not: %v", lit, err)
		}
		if got := after.Get(k1).Get(k2); got == nil || !equal(got.Any(), want.Any()) {
			t.Fatalf("Set(%q, %q, %q) = %q: value at path is %v", src, path, lit, out, got.Any())
		}
		if old := before.Get(k1).Get(k2); old != nil {
			if !bytes.HasPrefix(out, src[:old.Start]) || !bytes.HasSuffix(out, src[old.End:]) {
				t.Fatalf("Set(%q, %q, %q) = %q: bytes beside the value changed", src, path, lit, out)
			}
		}
		model, _ := before.Any().(map[string]any)
		inner, ok := model[k1].(map[string]any)
		if !ok {
			inner = map[string]any{}
			model[k1] = inner
		}
		inner[k2] = want.Any()
		if !equal(after.Any(), any(model)) {
			t.Fatalf("Set(%q, %q, %q) = %q: more than the value changed", src, path, lit, out)
		}
	})
}

func TestQuote(t *testing.T) {
	t.Parallel()
	if got, want := Quote("a\"<\n&"), `"a\"<\n&"`; got != want {
		t.Errorf("Quote = %s, want %s", got, want)
	}
}
