package json5

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestParseValues(t *testing.T) {
	t.Parallel()
	tests := []struct {
		src  string
		want any
	}{
		{`null`, nil},
		{`true`, true},
		{` false // why not`, false},
		{"\uFEFF1", 1.0},
		{`0`, 0.0},
		{`.5`, 0.5},
		{`5.`, 5.0},
		{`+7`, 7.0},
		{`-.25e+2`, -25.0},
		{`1E3`, 1000.0},
		{`0xDECAF`, float64(0xDECAF)},
		{`-0Xff`, -255.0},
		{`0x1fffffffffffffffff`, 5.902958103587057e+20},
		{`Infinity`, math.Inf(1)},
		{`-Infinity`, math.Inf(-1)},
		{`+Infinity`, math.Inf(1)},
		{`'single "quoted"'`, `single "quoted"`},
		{`"it's"`, "it's"},
		{`'\'\"\\\/\b\f\n\r\t\v\0\x41\u00e9\q'`, "'\"\\/\b\f\n\r\t\v\x00Aéq"},
		{`"\ud83d\ude00"`, "😀"},
		{`"\ud83dx"`, "\uFFFDx"},
		{`"\ud83d\ud83d\ude00"`, "\uFFFD😀"},
		{"'a\\\nb\\\r\nc\\\rd\\\u2028e'", "abcde"},
		{"'line\u2028sep'", "line\u2028sep"},
		{`[]`, []any{}},
		{`[1,[2,],]`, []any{1.0, []any{2.0}}},
		{`{}`, map[string]any{}},
		{`{a:1,'b':2,"c":3,}`, map[string]any{"a": 1.0, "b": 2.0, "c": 3.0}},
		{`{$_ü1: 1, \u0061b: 2, a\u0062c: 3, null: 4, Infinity: 5}`,
			map[string]any{"$_ü1": 1.0, "ab": 2.0, "abc": 3.0, "null": 4.0, "Infinity": 5.0}},
		{"/* head */{ // one\n /**/a /*x*/: /* y */ 1 /* z */, // two\r}//end", map[string]any{"a": 1.0}},
		{"{\u00a0\u3000\ufeff\v\fa:1}", map[string]any{"a": 1.0}},
		{"// ends at a separator\u2028 1", 1.0},
	}
	for _, tt := range tests {
		v, err := Parse([]byte(tt.src))
		if err != nil {
			t.Errorf("Parse(%q): %v", tt.src, err)
			continue
		}
		if diff := cmp.Diff(tt.want, v.Any()); diff != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", tt.src, diff)
		}
	}
	if v, err := Parse([]byte("-NaN")); err != nil || !math.IsNaN(v.Float()) {
		t.Errorf("Parse(-NaN) = %v, %v", v, err)
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", MaxDepth+1)
	tests := []struct{ src, want string }{
		{``, `line 1, column 1: expected a value, found nothing but blanks and comments`},
		{"\n // x", `line 2, column 6: expected a value, found nothing but blanks and comments`},
		{`{a:1} x`, `line 1, column 7: expected the end of the file after the value, found 'x'`},
		{"{\n  a: 1\n  b: 2\n}", `line 3, column 3: expected ',' or '}', found 'b'`},
		{"{\r\n  a: 1,\r  ,\n}", `line 3, column 3: expected a key or '}', found ','`},
		{"{\n  \"port\": 1,\n  port: 2\n}", `line 3, column 3: duplicate key "port": on line 2 and again on line 3`},
		{`{a 1}`, `line 1, column 4: expected ':' after the key "a", found '1'`},
		{`{a: [1, 2`, `line 1, column 10: the array that begins on line 1 has no ']'`},
		{"{a:\n{", `line 2, column 2: expected a key or '}', found the end of the file`},
		{"{a: 1,\nb: 2", `line 2, column 5: the object that begins on line 1 has no '}'`},
		{`[,]`, `line 1, column 2: expected a value, found ','`},
		{`"é`, `line 1, column 1: string without an end, expected "`},
		{"['ü', 'a\nb']", `line 1, column 7: string without an end on its line, expected ' (a line break inside is written \n)`},
		{`'\1'`, `line 1, column 2: \1 is not an escape; octal escapes are not JSON5`},
		{`'\01'`, `line 1, column 2: \0 followed by a digit; octal escapes are not JSON5`},
		{`'\x4'`, `line 1, column 2: escape needs 2 hexadecimal digits`},
		{`'\u12G4'`, `line 1, column 2: escape needs 4 hexadecimal digits`},
		{`'\`, `line 1, column 2: escape without an end`},
		{`{a\x41: 1}`, `line 1, column 3: an unquoted key can hold \uXXXX and no other escape`},
		{`{\u0031: 1}`, `line 1, column 2: U+0031 cannot stand in an unquoted key`},
		{`010`, `line 1, column 1: a number does not begin with 0 (octal is not JSON5)`},
		{`.`, `line 1, column 1: expected a number, found "."`},
		{`+`, `line 1, column 1: expected a number, found "+"`},
		{`-x`, `line 1, column 1: expected a number, found "-x"`},
		{`1e`, `line 1, column 1: the exponent of a number has no digit`},
		{`0x`, `line 1, column 1: 0x without a hexadecimal digit`},
		{`18789abc`, `line 1, column 6: 'a' directly after a number`},
		{`1e999`, `line 1, column 1: the number 1e999 is out of range`},
		{`{mode: local}`, `line 1, column 8: unknown word "local"; text needs quotes`},
		{`/* x`, `line 1, column 1: comment without an end, expected */`},
		{`/x`, `line 1, column 1: expected a value or a comment, found '/'`},
		{"{\n  a: '\xff'}", `line 2, column 7: invalid UTF-8 (byte 0xff)`},
		{deep, `line 1, column 1001: more than 1000 nested objects and arrays`},
	}
	for _, tt := range tests {
		_, err := Parse([]byte(tt.src))
		if err == nil || err.Error() != tt.want {
			t.Errorf("Parse(%.60q):\n got %v\nwant %s", tt.src, err, tt.want)
		}
		if _, ok := errors.AsType[*SyntaxError](err); !ok {
			t.Errorf("Parse(%.60q): error is %T, want *SyntaxError", tt.src, err)
		}
	}
}

func TestDuplicateInLargeObject(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("{\n")
	for i := range 40 {
		b.WriteString("k" + strings.Repeat("x", i) + ": 1,\n")
	}
	b.WriteString("kxx: 2}")
	_, err := Parse([]byte(b.String()))
	want := `line 42, column 1: duplicate key "kxx": on line 4 and again on line 42`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestPositions(t *testing.T) {
	t.Parallel()
	src := "\uFEFF{\r\n  // ü\r\n  gätеway: { 'port' : 0x10 },\n\tlist: [ 'é', true ]\n}"
	root, err := Parse([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	gw, list := root.Members[0], root.Members[1]
	port := gw.Value.Members[0]
	for _, tt := range []struct {
		what       string
		start, end int
		line, col  int
		text       string
		wl, wc     int
	}{
		{"root", root.Start, root.End, root.Line, root.Col, src[3:], 1, 1},
		{"key", gw.KeyStart, gw.KeyEnd, gw.Line, gw.Col, "gätеway", 3, 3},
		{"object", gw.Value.Start, gw.Value.End, gw.Value.Line, gw.Value.Col, "{ 'port' : 0x10 }", 3, 12},
		{"quoted key", port.KeyStart, port.KeyEnd, port.Line, port.Col, "'port'", 3, 14},
		{"number", port.Value.Start, port.Value.End, port.Value.Line, port.Value.Col, "0x10", 3, 23},
		{"item", list.Value.Items[0].Start, list.Value.Items[0].End, list.Value.Items[0].Line, list.Value.Items[0].Col, "'é'", 4, 10},
		{"item after é", list.Value.Items[1].Start, list.Value.Items[1].End, list.Value.Items[1].Line, list.Value.Items[1].Col, "true", 4, 15},
	} {
		if got := src[tt.start:tt.end]; got != tt.text {
			t.Errorf("%s: bytes %q, want %q", tt.what, got, tt.text)
		}
		if tt.line != tt.wl || tt.col != tt.wc {
			t.Errorf("%s: at %d:%d, want %d:%d", tt.what, tt.line, tt.col, tt.wl, tt.wc)
		}
	}
}

// FuzzParse holds that no text panics, that places lie inside the text, and that
// what encoding/json reads means the same here.
func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e3,"x\u00e9",null,true]}`, `{a:'b',//c
	}`, `[+1,.5,0xff,-Infinity,NaN,]`, "'\\\r\n'", `{"\ud800":1}`, "\uFEFF{}", `/**/1`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		got, err := Parse(src)
		if err == nil {
			checkPlaces(t, src, got)
		}
		var want any
		if json.Unmarshal(src, &want) != nil || !utf8.Valid(src) {
			return
		}
		if err != nil {
			if strings.Contains(err.Error(), "duplicate key") || strings.Contains(err.Error(), "nested objects") {
				return // stricter on purpose
			}
			t.Fatalf("encoding/json reads %q, Parse: %v", src, err)
		}
		if !equal(got.Any(), want) {
			t.Fatalf("%q: got %v, encoding/json %v", src, got.Any(), want)
		}
	})
}

func checkPlaces(t *testing.T, src []byte, v *Value) {
	t.Helper()
	if v.Start < 0 || v.Start >= v.End || v.End > len(src) || v.Line < 1 || v.Col < 1 {
		t.Fatalf("%q: value at bytes %d to %d, %d:%d", src, v.Start, v.End, v.Line, v.Col)
	}
	for _, item := range v.Items {
		checkPlaces(t, src, item)
	}
	for _, m := range v.Members {
		if m.KeyStart >= m.KeyEnd || m.KeyEnd >= m.Value.Start {
			t.Fatalf("%q: key at bytes %d to %d, its value from %d", src, m.KeyStart, m.KeyEnd, m.Value.Start)
		}
		checkPlaces(t, src, m.Value)
	}
}

// equal is reflect.DeepEqual with NaN equal to itself.
func equal(a, b any) bool {
	return cmp.Equal(a, b, cmp.Comparer(func(x, y float64) bool {
		return x == y || math.IsNaN(x) && math.IsNaN(y)
	}))
}
