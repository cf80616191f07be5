package rpc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// Validate holds a JSON text against a Go type and its `rule` tags, and returns
// everything that is wrong, joined as clients of the family expect it; "" when
// nothing is. Objects are closed: a key that the type lacks is wrong, and what
// stands at it is not looked into.
//
// Rules: required; nonempty (a string, or each string of a list); min=N, max=N;
// enum=NAME, one of protocol.Enum(NAME); nullable, null counts as absent. What a
// json.RawMessage takes may be anything. Beyond maxParts nothing is looked for.
func Validate(raw json.RawMessage, t reflect.Type) string {
	if !json.Valid(raw) {
		return "must be object"
	}
	c := checker{}
	c.value("", raw, t, nil)
	return strings.Join(c.parts, "; ")
}

// maxParts bounds what is said to be wrong: a text of megabytes may be wrong in a million places.
const maxParts = 64

// read decodes one level of a valid JSON text. null is taken for nothing that a
// type could want.
func read[T any](raw json.RawMessage) (v T, ok bool) {
	if bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		return v, false
	}
	return v, json.Unmarshal(raw, &v) == nil
}

type checker struct{ parts []string }

func (c *checker) full() bool { return len(c.parts) > maxParts }

// add takes a message about a place; both may hold names that the sender has made up.
func (c *checker) add(at, message string) {
	at, message = clip(at), clip(message)
	if len(c.parts) == maxParts {
		c.parts = append(c.parts, "and more")
	}
	if c.full() {
		return
	}
	if at != "" {
		message = "at " + at + ": " + message
	}
	if !slices.Contains(c.parts, message) {
		c.parts = append(c.parts, message)
	}
}

func (c *checker) value(at string, raw json.RawMessage, t reflect.Type, rules map[string]string) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == reflect.TypeFor[json.RawMessage]() {
		return // anything
	}
	if _, on := rules["nullable"]; on && bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		return
	}
	switch t.Kind() {
	case reflect.String:
		c.text(at, raw, rules)
	case reflect.Bool:
		if _, ok := read[bool](raw); !ok {
			c.add(at, "must be boolean")
		}
	case reflect.Int, reflect.Int64:
		c.integer(at, raw, rules)
	case reflect.Slice:
		c.list(at, raw, t, rules)
	case reflect.Map:
		m, ok := read[map[string]json.RawMessage](raw)
		if !ok {
			c.add(at, "must be object")
			return
		}
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if c.full() {
				return
			}
			c.value(at+"/"+pointer(k), m[k], t.Elem(), nil)
		}
	case reflect.Struct:
		c.object(at, raw, t)
	}
}

func (c *checker) text(at string, raw json.RawMessage, rules map[string]string) {
	s, ok := read[string](raw)
	if !ok {
		c.add(at, "must be string")
		return
	}
	if _, on := rules["nonempty"]; on && utf8.RuneCountInString(s) == 0 {
		c.add(at, "must NOT have fewer than 1 characters")
	}
	if name, on := rules["enum"]; on && !slices.Contains(protocol.Enum(name), s) {
		c.add(at, "must be equal to constant")
		c.add(at, "must match a schema in anyOf")
	}
}

func (c *checker) integer(at string, raw json.RawMessage, rules map[string]string) {
	f, ok := read[float64](raw)
	if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		c.add(at, "must be integer")
		return
	}
	if text, on := rules["min"]; on {
		if limit, _ := strconv.ParseFloat(text, 64); f < limit {
			c.add(at, "must be >= "+text)
		}
	}
	if text, on := rules["max"]; on {
		if limit, _ := strconv.ParseFloat(text, 64); f > limit {
			c.add(at, "must be <= "+text)
		}
	}
}

func (c *checker) list(at string, raw json.RawMessage, t reflect.Type, rules map[string]string) {
	items, ok := read[[]json.RawMessage](raw)
	if !ok {
		c.add(at, "must be array")
		return
	}
	for i, item := range items {
		if c.full() {
			return
		}
		c.value(at+"/"+strconv.Itoa(i), item, t.Elem(), rules)
	}
}

func (c *checker) object(at string, raw json.RawMessage, t reflect.Type) {
	m, ok := read[map[string]json.RawMessage](raw)
	if !ok {
		c.add(at, "must be object")
		return
	}
	known := map[string]bool{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		known[name] = true
		rules := parseRules(f.Tag.Get("rule"))
		item, there := m[name]
		if _, required := rules["required"]; !there && required {
			c.add(at, fmt.Sprintf("must have required property '%s'", name))
		}
		if there {
			c.value(at+"/"+pointer(name), item, f.Type, rules)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if c.full() {
			return
		}
		if !known[k] {
			where := at
			if where == "" {
				where = "root"
			}
			c.add(where, fmt.Sprintf("unexpected property '%s'", k))
		}
	}
}

func parseRules(tag string) map[string]string {
	rules := map[string]string{}
	for part := range strings.SplitSeq(tag, ",") {
		if key, value, _ := strings.Cut(part, "="); key != "" {
			rules[key] = value
		}
	}
	return rules
}

// pointer escapes a key for a JSON pointer (RFC 6901).
func pointer(key string) string {
	if !strings.ContainsAny(key, "~/") {
		return key // a Replacer takes its time to be made
	}
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

// clip cuts what a client has made up, and is to be told or logged, to a length at which
// it can still be recognised.
func clip(text string) string {
	const limit = 256
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit], "") + "…"
}
