// Package json5 owns the reading of JSON5 text and the smallest possible edit of
// it: a tree whose every node knows which bytes of the source it came from, and
// Set, which changes one value and leaves each other byte as it was.
//
// It reads all of JSON5 (https://spec.json5.org) and is stricter in four points:
// a key may occur once per object, numbers must fit a float64, the text must be
// valid UTF-8, and containers nest at most MaxDepth deep. It knows no schema and
// no file; gateway/config has both.
package json5

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// MaxDepth is how many containers may enclose a value. Real configs stay below 20;
// the limit keeps hostile text from exhausting the stack.
const MaxDepth = 1000

// Kind is the type of a Value.
type Kind uint8

// The kinds. The zero Kind is Null.
const (
	Null Kind = iota
	Bool
	Number
	String
	Array
	Object
)

// String names the kind as an error message would.
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case Bool:
		return "boolean"
	case Number:
		return "number"
	case String:
		return "string"
	case Array:
		return "array"
	case Object:
		return "object"
	}
	return "kind " + strconv.Itoa(int(k))
}

// Value is one node of the tree. Start and End delimit its bytes in the source,
// comments and blanks around it excluded. Line and Col are 1-based; Col counts
// Unicode code points, as editors do. The zero Value is a null without a place.
// A Value is read-only after Parse and safe for concurrent readers.
type Value struct {
	Kind       Kind
	Start, End int
	Line, Col  int
	Members    []Member // of an Object, in source order, keys unique
	Items      []*Value // of an Array
	Text       string   // of a String: the decoded text; of a Number: the literal as written
	Bool       bool     // of a Bool
}

// Member is one key and value of an object. KeyStart and KeyEnd delimit the key
// with its quotes; Line and Col are where it begins.
type Member struct {
	Key              string
	KeyStart, KeyEnd int
	Line, Col        int
	Value            *Value
}

// SyntaxError says where the text stops being JSON5. Line and Col are 1-based;
// Offset is the byte offset of the same place.
type SyntaxError struct {
	Line, Col int
	Offset    int
	Msg       string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Col, e.Msg)
}

// Get returns the value of key, nil when v is no object or lacks the key.
func (v *Value) Get(key string) *Value {
	if v == nil {
		return nil
	}
	for i := range v.Members {
		if v.Members[i].Key == key {
			return v.Members[i].Value
		}
	}
	return nil
}

// Float returns the value of a Number; it is NaN for the literal NaN and for any other kind.
func (v *Value) Float() float64 {
	if v == nil || v.Kind != Number {
		return math.NaN()
	}
	f, err := parseNumber(v.Text)
	if err != nil {
		return math.NaN()
	}
	return f
}

// Any returns the tree in the types that encoding/json uses for an interface:
// map[string]any, []any, string, float64, bool and nil. Infinity and NaN come out
// as the float64 that they are, which encoding/json cannot write.
func (v *Value) Any() any {
	if v == nil {
		return nil
	}
	switch v.Kind {
	case Bool:
		return v.Bool
	case Number:
		return v.Float()
	case String:
		return v.Text
	case Array:
		list := make([]any, len(v.Items))
		for i, item := range v.Items {
			list[i] = item.Any()
		}
		return list
	case Object:
		m := make(map[string]any, len(v.Members))
		for _, member := range v.Members {
			m[member.Key] = member.Value.Any()
		}
		return m
	}
	return nil
}

// parseNumber evaluates a number literal that the parser has found well formed.
func parseNumber(lit string) (float64, error) {
	sign, body := 1.0, lit
	switch {
	case strings.HasPrefix(body, "+"):
		body = body[1:]
	case strings.HasPrefix(body, "-"):
		sign, body = -1, body[1:]
	}
	switch {
	case body == "Infinity":
		return sign * math.Inf(1), nil
	case body == "NaN":
		return math.NaN(), nil
	case len(body) > 1 && (body[1] == 'x' || body[1] == 'X'):
		// As a hexadecimal float, so that more than 64 bits round instead of failing.
		body += "p0"
	}
	f, err := strconv.ParseFloat(body, 64)
	return sign * f, err
}
