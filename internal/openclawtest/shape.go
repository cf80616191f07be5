package openclawtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Differs says where a JSON text has another shape than an example of it, "" when
// nowhere. Of a string, number or boolean the example gives the kind, null fits
// anything, and the one element of an array is the example of each. An object
// has just the keys of its example, of which those that end in "?" may be absent
// and those that end in "^" may be null; under the key "..." it may have more, and
// under "*" is the example for the values of any key.
func Differs(text, example string) string {
	var got, want any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		return fmt.Sprintf("not JSON: %v", err)
	}
	if err := json.Unmarshal([]byte(example), &want); err != nil {
		return fmt.Sprintf("the example is not JSON: %v", err)
	}
	return differs("", got, want)
}

func differs(at string, got, want any) string {
	if want == nil {
		return ""
	}
	if kind(got) != kind(want) {
		return fmt.Sprintf("%s is %s, want %s", place(at), kind(got), kind(want))
	}
	switch want := want.(type) {
	case []any:
		for i, e := range got.([]any) {
			if len(want) == 0 {
				break
			}
			if d := differs(fmt.Sprintf("%s/%d", at, i), e, want[0]); d != "" {
				return d
			}
		}
	case map[string]any:
		return objectDiffers(at, got.(map[string]any), want)
	}
	return ""
}

func objectDiffers(at string, got, want map[string]any) string {
	left := maps.Clone(got)
	for _, spelt := range slices.Sorted(maps.Keys(want)) {
		if spelt == "..." || spelt == "*" {
			continue
		}
		key := strings.TrimRight(spelt, "?^")
		v, there := left[key]
		delete(left, key)
		switch {
		case !there && !strings.Contains(spelt[len(key):], "?"):
			return fmt.Sprintf("%s has no %q", place(at), key)
		case !there, v == nil && strings.Contains(spelt[len(key):], "^"):
			continue
		}
		if d := differs(at+"/"+key, v, want[spelt]); d != "" {
			return d
		}
	}
	each, anyKey := want["*"]
	_, more := want["..."]
	for _, key := range slices.Sorted(maps.Keys(left)) {
		switch {
		case anyKey:
			if d := differs(at+"/"+key, left[key], each); d != "" {
				return d
			}
		case !more:
			return fmt.Sprintf("%s has %q, which is not in its shape", place(at), key)
		}
	}
	return ""
}

func place(at string) string {
	if at == "" {
		return "the result"
	}
	return at
}

func kind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case float64:
		return "a number"
	case bool:
		return "a boolean"
	case []any:
		return "an array"
	}
	return "an object"
}
