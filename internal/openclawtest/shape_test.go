package openclawtest_test

import (
	"testing"

	"github.com/coderclaw/coderclaw/internal/openclawtest"
)

func TestDiffers(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, text, example, want string }{
		{"the same", `{"a":1,"b":[{"c":"x"},{"c":"y"}],"d":null}`, `{"a":0,"b":[{"c":""}],"d^":{"e":0}}`, ""},
		{"anything", `{"a":[1]}`, `null`, ""},
		{"any array", `[1,"a"]`, `[]`, ""},
		{"kind", `{"a":"1"}`, `{"a":0}`, "/a is a string, want a number"},
		{"kind of all", `[]`, `{}`, "the result is an array, want an object"},
		{"null", `{"a":null}`, `{"a":[]}`, "/a is null, want an array"},
		{"absent", `{}`, `{"a":0}`, `the result has no "a"`},
		{"may be absent", `{}`, `{"a?":0,"b?^":0}`, ""},
		{"may be either", `{"a":null}`, `{"a?^":0}`, ""},
		{"more", `{"a":{"b":1}}`, `{"a":{}}`, `/a has "b", which is not in its shape`},
		{"more is allowed", `{"a":1,"b":2}`, `{"a":0,"...":0}`, ""},
		{"second element", `[{"a":1},{"a":true}]`, `[{"a":0}]`, "/1/a is a boolean, want a number"},
		{"map", `{"x":{"a":1},"y":{"a":""}}`, `{"*":{"a":0}}`, "/y/a is a string, want a number"},
		{"not JSON", `{`, `{}`, "not JSON: unexpected end of JSON input"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := openclawtest.Differs(tc.text, tc.example); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
