package rpc

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestRepeatedKeys: what was held against the rules is what is taken, and nothing of a
// key that stands there twice.
func TestRepeatedKeys(t *testing.T) {
	t.Parallel()
	p := ParamsOf[params]()
	for in, want := range map[string]string{
		`{"name":"x","inner":{"x":"old","no":1},"inner":{"on":true}}`:           `{"name":"x","inner":{"on":true}}`,
		`{"name":"x","flags":{"a":true},"flags":{"b":true}}`:                    `{"name":"x","flags":{"b":true}}`,
		`{"name":"x","inner":{"x":"old"},"\u0069nner":{"on":true}}`:             `{"name":"x","inner":{"on":true}}`,
		`{"name":"x","lost":{"on":true,"x":"a"},"lost":{"on":false}}`:           `{"name":"x","lost":{"on":false}}`,
		`{"name":"x","any":[{"a":1,"a":2}],"count":2}`:                          `{"name":"x","any":[{"a":2}],"count":2}`,
		`{"name":"x","lost":{"on":true},"lost":null}`:                           `{"name":"x"}`,
		` { "name" : "x" , "flags" : { } , "tags" : [ ] , "any" : [ 1 , {} ] }`: `{"name":"x","flags":{},"tags":[],"any":[1,{}]}`,
	} {
		got, wrong := p.Read(json.RawMessage(in))
		once, _ := p.Read(json.RawMessage(want))
		got.Any, once.Any = squeeze(t, got.Any), squeeze(t, once.Any)
		if wrong != "" || !reflect.DeepEqual(got, once) {
			t.Errorf("%s: %+v, %s; want %+v", in, got, wrong, once)
		}
	}
}

func squeeze(t *testing.T, raw json.RawMessage) json.RawMessage {
	t.Helper()
	var v any
	if len(raw) == 0 {
		return nil
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRepeats holds repeats against texts that are written with and without repetitions.
func TestRepeats(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		twice := false
		space := func() string { return rapid.SampledFrom([]string{"", " ", "\n\t"}).Draw(t, "space") }
		var value func(depth int) string
		value = func(depth int) string {
			kind := rapid.IntRange(0, 3).Draw(t, "kind")
			if depth == 0 {
				kind = 0
			}
			var parts []string
			switch kind {
			case 1:
				for range rapid.IntRange(0, 3).Draw(t, "items") {
					parts = append(parts, space()+value(depth-1)+space())
				}
				return "[" + space() + strings.Join(parts, ",") + "]"
			case 2, 3:
				seen := map[int]bool{}
				for range rapid.IntRange(0, 20).Draw(t, "keys") {
					k := rapid.IntRange(0, 200).Draw(t, "key")
					twice = twice || seen[k]
					seen[k] = true
					parts = append(parts, space()+`"k{`+strings.Repeat("x", k)+`"`+space()+":"+space()+value(depth-1)+space())
				}
				return "{" + space() + strings.Join(parts, ",") + "}"
			}
			return rapid.SampledFrom([]string{"1", "-2.5e3", "true", "null", `"}],"`, `"a\"b\\"`, `""`}).Draw(t, "leaf")
		}
		text := space() + value(2) + space()
		if !json.Valid([]byte(text)) {
			t.Fatalf("the test writes %s", text)
		}
		if got := repeats([]byte(text)); got != twice {
			t.Errorf("%s: %v", text, got)
		}
	})
}
