package rpc

import (
	"fmt"
	"strings"
)

// MethodDoc is the reference entry of a method.
type MethodDoc struct {
	Name   string
	Need   Scope
	Closed bool // parameters that are not listed are refused
	Params []ParamDoc
}

// ParamDoc describes one parameter.
type ParamDoc struct {
	Name, Type, Rules string
}

// Docs describes every method, in the order in which they were added.
func (m *Mux) Docs() []MethodDoc {
	var out []MethodDoc
	for _, name := range m.order {
		known := m.methods[name]
		d := MethodDoc{Name: name, Need: known.need, Closed: known.closed}
		for _, f := range known.params.fields {
			d.Params = append(d.Params, ParamDoc{f.name, f.shape.words(), f.words()})
		}
		out = append(out, d)
	}
	return out
}

// words is the type in words.
func (s *shape) words() string {
	switch s.kind {
	case anything:
		return "anything"
	case boolean:
		return "boolean"
	case integer:
		return "integer"
	case number:
		return "number"
	case list:
		return "array of " + s.item.words()
	case record, object:
		return "object"
	}
	return "string"
}

// words are the rules of the field in words, "" for none.
func (f field) words() string {
	var out []string
	add := func(on bool, format string, args ...any) {
		if on {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	r := f.shape.rules
	add(f.required, "required")
	add(r.nonempty, "not empty")
	add(r.minItems > 0, "%d or more", r.minItems)
	add(r.maxLength > 0, "at most %d characters", r.maxLength)
	if r.min != nil {
		add(true, "from %.0f", *r.min)
	}
	if r.max != nil {
		add(true, "to %.0f", *r.max)
	}
	add(r.constant != "", "always %s", r.constant)
	add(r.enum != nil, "one of %s", strings.Join(r.enum, " "))
	add(r.nullable || r.dropped, "or null")
	return strings.Join(out, ", ")
}
