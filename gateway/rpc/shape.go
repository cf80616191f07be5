package rpc

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// shape is what a JSON text must look like, made once from a Go type and its `rule`
// tags. What is validated, decoded and told in the JSON Schema follows from it, so that
// these cannot disagree. It is not changed once it is made.
type shape struct {
	kind   kind
	name   string  // of the Go type of an object
	item   *shape  // of a list, or of each value of a record
	fields []field // of an object, in their order
	rules  rules

	nilable bool // in what is sent: null stands for nothing
}

type kind int

const (
	anything kind = iota
	text
	moment // a text that is a time, only in what is sent
	boolean
	integer
	number
	list
	record
	object
)

// field is one key of an object.
type field struct {
	name     string
	required bool // of what is taken
	sent     bool // always, in what is sent
	shape    *shape
}

// rules are the tag `rule` of one field: required; nonempty (a text, or each text of a
// list); minitems=N; maxlen=N characters; min=N, max=N; const=VALUE; enum=NAME, one of
// protocol.Enum(NAME); nullable, which may be null; or droppednull, where a null counts
// as absent.
type rules struct {
	nonempty, nullable, dropped bool
	minItems, maxLength         int      // 0: any
	min, max                    *float64 // nil: any
	constant                    string   // "": any
	enum                        []string // nil: any
}

// shapeOf makes the shape of a type. A tag that is none is a mistake in the program,
// and panics.
func shapeOf(t reflect.Type, r rules) *shape {
	s := &shape{rules: r}
	if t.Kind() == reflect.Pointer {
		t, s.nilable = t.Elem(), true
	}
	switch {
	case t == reflect.TypeFor[json.RawMessage]() || t.Kind() == reflect.Interface:
		s.kind = anything
		return s
	case t == reflect.TypeFor[time.Time]():
		s.kind = moment
		return s
	}
	switch t.Kind() {
	case reflect.String:
		s.kind = text
	case reflect.Bool:
		s.kind = boolean
	case reflect.Int, reflect.Int64:
		s.kind = integer
	case reflect.Float64:
		s.kind = number
	case reflect.Slice:
		s.kind = list
		inner := r
		inner.nullable, inner.dropped, inner.minItems = false, false, 0
		s.item = shapeOf(t.Elem(), inner)
	case reflect.Map:
		s.kind, s.item = record, shapeOf(t.Elem(), rules{})
	case reflect.Struct:
		s.kind, s.name, s.fields = object, t.Name(), fieldsOf(t)
	default:
		panic(fmt.Sprintf("rpc: %s has no shape", t))
	}
	return s
}

// fieldsOf lists the keys of a struct, those of embedded ones among them.
func fieldsOf(t reflect.Type) (out []field) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			out = append(out, fieldsOf(f.Type)...)
			continue
		case name == "-" || name == "":
			continue
		}
		r, required := parseRules(f.Tag.Get("rule"))
		omitted := strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero")
		s := shapeOf(f.Type, r)
		s.nilable = s.nilable && !omitted
		out = append(out, field{name: name, required: required, sent: !omitted, shape: s})
	}
	return out
}

func parseRules(tag string) (r rules, required bool) {
	for part := range strings.SplitSeq(tag, ",") {
		key, value, _ := strings.Cut(part, "=")
		switch key {
		case "":
		case "required":
			required = true
		case "nonempty":
			r.nonempty = true
		case "nullable":
			r.nullable = true
		case "droppednull":
			r.dropped = true
		case "const":
			r.constant = value
		case "enum":
			if r.enum = protocol.Enum(value); r.enum == nil {
				panic("rpc: there is no enum " + value)
			}
		case "min":
			r.min = limit(value)
		case "max":
			r.max = limit(value)
		case "minitems":
			r.minItems = int(*limit(value))
		case "maxlen":
			r.maxLength = int(*limit(value))
		default:
			panic("rpc: there is no rule " + part)
		}
	}
	return r, required
}

func limit(value string) *float64 {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil {
		panic("rpc: a rule with the number " + value)
	}
	return &n
}

// maxInteger is the largest integer that every client can hold, and the least is its
// negative.
const maxInteger = 1 << 53
