package rpc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// validate holds a JSON text against the shape, and returns everything that is wrong,
// joined as clients of the family expect it; "" when nothing is. Objects are closed: a
// key that the shape lacks is wrong, and what stands at it is not looked into.
//
// The order is that of the family too: of an object first what is missing, then what
// is too much, as it was sent, then what its keys hold. Beyond maxParts nothing is looked for.
func (s *shape) validate(raw json.RawMessage) string {
	if !json.Valid(raw) {
		return "must be object"
	}
	c := checker{}
	c.value("", raw, s)
	return strings.Join(c.parts, "; ")
}

// maxParts bounds what is said to be wrong: a text of megabytes may be wrong in a million places.
const maxParts = 64

// read decodes one level of a valid JSON text. null is taken for nothing that a
// type could want.
func read[T any](raw json.RawMessage) (v T, ok bool) {
	if isNull(raw) {
		return v, false
	}
	return v, json.Unmarshal(raw, &v) == nil
}

func isNull(raw json.RawMessage) bool { return bytes.Equal(bytes.TrimSpace(raw), []byte("null")) }

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

func (c *checker) value(at string, raw json.RawMessage, s *shape) {
	if (s.rules.nullable || s.rules.dropped) && isNull(raw) {
		return
	}
	before := len(c.parts)
	switch s.kind {
	case text:
		c.text(at, raw, s.rules)
	case boolean:
		if _, ok := read[bool](raw); !ok {
			c.add(at, "must be boolean")
		}
	case integer, number:
		c.number(at, raw, s)
	case list:
		c.list(at, raw, s)
	case record:
		c.record(at, raw, s)
	case object:
		c.object(at, raw, s)
	}
	if s.rules.nullable && len(c.parts) > before {
		c.add(at, "must be null")
		c.add(at, "must match a schema in anyOf")
	}
}

func (c *checker) text(at string, raw json.RawMessage, r rules) {
	s, ok := read[string](raw)
	if !ok {
		c.add(at, "must be string")
	} else {
		n := utf8.RuneCountInString(s)
		if r.maxLength > 0 && n > r.maxLength {
			c.add(at, fmt.Sprintf("must NOT have more than %d characters", r.maxLength))
		}
		if r.nonempty && n == 0 {
			c.add(at, "must NOT have fewer than 1 characters")
		}
	}
	if r.constant != "" && (!ok || s != r.constant) {
		c.add(at, "must be equal to constant")
	}
	if r.enum != nil && (!ok || !slices.Contains(r.enum, s)) {
		c.add(at, "must be equal to constant")
		c.add(at, "must match a schema in anyOf")
	}
}

func (c *checker) number(at string, raw json.RawMessage, s *shape) {
	f, ok := read[float64](raw)
	if s.rules.constant != "" {
		if !ok {
			c.add(at, "must be number")
		}
		if !ok || strconv.FormatFloat(f, 'f', -1, 64) != s.rules.constant {
			c.add(at, "must be equal to constant")
		}
		return
	}
	if s.kind == integer && (!ok || f != math.Trunc(f) || math.Abs(f) > maxInteger) {
		c.add(at, "must be integer")
	} else if !ok {
		c.add(at, "must be number")
	}
	if !ok {
		return
	}
	if s.rules.max != nil && f > *s.rules.max {
		c.add(at, "must be <= "+strconv.FormatFloat(*s.rules.max, 'f', -1, 64))
	}
	if s.rules.min != nil && f < *s.rules.min {
		c.add(at, "must be >= "+strconv.FormatFloat(*s.rules.min, 'f', -1, 64))
	}
}

func (c *checker) list(at string, raw json.RawMessage, s *shape) {
	items, ok := read[[]json.RawMessage](raw)
	if !ok {
		c.add(at, "must be array")
		return
	}
	if len(items) < s.rules.minItems {
		c.add(at, fmt.Sprintf("must NOT have fewer than %d items", s.rules.minItems))
	}
	for i, item := range items {
		if c.full() {
			return
		}
		c.value(at+"/"+strconv.Itoa(i), item, s.item)
	}
}

func (c *checker) record(at string, raw json.RawMessage, s *shape) {
	m, ok := read[map[string]json.RawMessage](raw)
	if !ok {
		c.add(at, "must be object")
		return
	}
	for k := range keys(raw) {
		if c.full() {
			return
		}
		c.value(at+"/"+pointer(k), m[k], s.item)
	}
}

func (c *checker) object(at string, raw json.RawMessage, s *shape) {
	m, ok := read[map[string]json.RawMessage](raw)
	if !ok {
		c.add(at, "must be object")
		return
	}
	known := 0
	for _, f := range s.fields {
		if _, there := m[f.name]; there {
			known++
		} else if f.required {
			c.add(at, fmt.Sprintf("must have required property '%s'", f.name))
		}
	}
	if known < len(m) {
		c.surplus(at, raw, s)
	}
	for _, f := range s.fields {
		if item, there := m[f.name]; there {
			c.value(at+"/"+pointer(f.name), item, f.shape)
		}
	}
}

// surplus names the keys of an object that its shape lacks.
func (c *checker) surplus(at string, raw json.RawMessage, s *shape) {
	if at == "" {
		at = "root"
	}
	for k := range keys(raw) {
		if c.full() {
			return
		}
		if !slices.ContainsFunc(s.fields, func(f field) bool { return f.name == k }) {
			c.add(at, fmt.Sprintf("unexpected property '%s'", k))
		}
	}
}

// keys are those of a valid JSON object, as they were sent.
func keys(raw json.RawMessage) iter.Seq[string] {
	return func(yield func(string) bool) {
		d := json.NewDecoder(bytes.NewReader(raw))
		_, _ = d.Token() // the brace
		for d.More() {
			key, _ := d.Token()
			name, ok := key.(string)
			var skipped json.RawMessage
			if !ok || d.Decode(&skipped) != nil || !yield(name) {
				return
			}
		}
	}
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
