package json5

import (
	"reflect"
	"testing"
)

func TestRemove(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, src, path, want string }{
		{"first of lines", "{\n  \"a\": 1,\n  \"b\": 2\n}\n", "a", "{\n  \"b\": 2\n}\n"},
		{"last of lines", "{\n  \"a\": 1,\n  \"b\": 2\n}\n", "b", "{\n  \"a\": 1\n}\n"},
		{"last with comma", "{\n  a: 1,\n  b: 2,\n}\n", "b", "{\n  a: 1,\n}\n"},
		{"comment of the line", "{\n  a: 1, // one\n  b: 2\n}", "a", "{\n  // one\n  b: 2\n}"},
		{"comment above", "{\n  // one\n  a: 1,\n  b: 2\n}", "a", "{\n  // one\n  b: 2\n}"},
		{"comment before the comma", "{ a: 1 /* x */, b: 2 }", "a", "{ /* x */ b: 2 }"},
		{"comment after the comma before", "{ a: 1, // x, y\n  b: 2 }", "b", "{ a: 1 // x, y\n   }"},
		{"only one", "{ a: 1 }", "a", "{ }"},
		{"inline first", `{ "a": 1, "b": 2 }`, "a", `{ "b": 2 }`},
		{"inline last", `{ "a": 1, "b": 2 }`, "b", `{ "a": 1 }`},
		{"deep", "{g: {port: 1, x: {y: 2}}}", "g.port", "{g: {x: {y: 2}}}"},
		{"a whole object", "{\n  g: {\n    port: 1\n  },\n  h: 1\n}", "g", "{\n  h: 1\n}"},
		{"crlf", "{\r\n  a: 1,\r\n  b: 2\r\n}", "a", "{\r\n  b: 2\r\n}"},
		{"none", "{a: {b: 1}}", "a.c", "{a: {b: 1}}"},
		{"through a number", "{a: 1}", "a.c.d", "{a: 1}"},
		{"no path", "{a: 1}", "", "{a: 1}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Remove([]byte(tt.src), splitPath(tt.path))
			if err != nil || string(got) != tt.want {
				t.Errorf("got %q, %v\nwant %q", got, err, tt.want)
			}
		})
	}
	if _, err := Remove([]byte("{"), []string{"a"}); err == nil {
		t.Error("text that does not parse was edited")
	}
}

// FuzzRemove: what is left is the same tree without the member, and a second removal changes nothing.
func FuzzRemove(f *testing.F) {
	f.Add([]byte("{ a: 1 /* x */, // y\n b: {c: 2,}, }"), "b", "c")
	f.Add([]byte("{a:1,\r\n\tb:2}//"), "a", "")
	f.Fuzz(func(t *testing.T, src []byte, first, second string) {
		path := []string{first}
		if second != "" {
			path = append(path, second)
		}
		before, err := Parse(src)
		if err != nil {
			return
		}
		got, err := Remove(src, path)
		if err != nil {
			t.Fatal(err)
		}
		after, err := Parse(got)
		if err != nil {
			t.Fatalf("%q became %q: %v", src, got, err)
		}
		want := before.Any()
		if at, ok := want.(map[string]any); ok {
			if second == "" {
				delete(at, first)
			} else if sub, ok := at[first].(map[string]any); ok {
				delete(sub, second)
			}
		}
		if !reflect.DeepEqual(quietNaN(want), quietNaN(after.Any())) {
			t.Fatalf("%q became %q", src, got)
		}
		again, err := Remove(got, path)
		if err != nil || string(again) != string(got) {
			t.Fatalf("a second removal made %q of %q, %v", again, got, err)
		}
	})
}

// quietNaN replaces each NaN, which equals nothing, by a text.
func quietNaN(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = quietNaN(v[k])
		}
	case []any:
		for i := range v {
			v[i] = quietNaN(v[i])
		}
	case float64:
		if v != v {
			return "NaN"
		}
	}
	return v
}
