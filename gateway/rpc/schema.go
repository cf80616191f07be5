package rpc

import (
	"encoding/json"
	"reflect"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// Node is a part of a JSON Schema.
type Node = map[string]any

// Schemas writes JSON Schema (draft 2020-12) of what the gateway takes and sends, from
// the shapes that it validates with.
type Schemas struct {
	// Defs are the types that others are made of, by the name of the Go type. One that
	// goes both ways is there twice: NAME as it is taken, NAME.sent as it is sent.
	Defs Node
	// Methods tell of each the scope that it needs, its parameters, its result, and what
	// some answer before it on the same id.
	Methods Node
	taken   map[string]bool // names in Defs that are of what is taken
}

// NewSchemas describes the methods of m.
func NewSchemas(m *Mux) *Schemas {
	b := &Schemas{Defs: Node{}, Methods: Node{}, taken: map[string]bool{}}
	params := map[string]Node{}
	for name, known := range m.methods { // before any result, so that what is taken has the plain names
		n := b.takenKeys(known.params)
		if known.closed {
			n["additionalProperties"] = false
		} else {
			n["description"] = "What is not listed is ignored; what is of another type counts as absent."
		}
		params[name] = n
	}
	for name := range b.Defs {
		b.taken[name] = true
	}
	for name, known := range m.methods {
		n := Node{"scope": string(known.need), "params": params[name], "result": b.sends(known.result)}
		if known.early != nil {
			n["earlyResult"] = b.sends(known.early)
		}
		b.Methods[name] = n
	}
	return b
}

// Sent describes a type that the gateway sends.
func (b *Schemas) Sent(t reflect.Type) Node { return b.sends(shapeOf(t, rules{})) }

// Frames describes the frames themselves. They are closed: clients of the family drop
// one with a key that they do not know.
func (b *Schemas) Frames() Node {
	sent := func(t reflect.Type) Node { return b.sentKeys(shapeOf(t, rules{})) }
	request, response, event := b.takenKeys(requestShape().shape), sent(reflect.TypeFor[protocol.Response]()), sent(reflect.TypeFor[protocol.Event]())
	failed := sent(reflect.TypeFor[protocol.Error]())
	response["properties"].(Node)["error"] = failed
	for _, n := range []Node{request, response, event, failed} {
		n["additionalProperties"] = false
	}
	return Node{protocol.TypeRequest: request, protocol.TypeResponse: response, protocol.TypeEvent: event}
}

// takenKeys describes an object that is taken, where it stands.
func (b *Schemas) takenKeys(s *shape) Node {
	return b.keys(s, b.takes, func(f field) bool { return f.required })
}

// sentKeys describes an object that is sent, where it stands.
func (b *Schemas) sentKeys(s *shape) Node {
	return b.keys(s, b.sends, func(f field) bool { return f.sent })
}

func (b *Schemas) keys(s *shape, write func(*shape) Node, required func(field) bool) Node {
	properties, needed := Node{}, []string{}
	for _, f := range s.fields {
		properties[f.name] = write(f.shape)
		if required(f) {
			needed = append(needed, f.name)
		}
	}
	n := Node{"title": s.name, "type": "object", "properties": properties}
	if len(needed) > 0 {
		n["required"] = needed
	}
	return n
}

func ref(name string) Node { return Node{"$ref": "#/$defs/" + name} }

func orNull(n Node) Node { return Node{"anyOf": []Node{n, {"type": "null"}}} }

// takes describes what validate lets through.
func (b *Schemas) takes(s *shape) Node {
	n, r := Node{}, s.rules
	switch s.kind {
	case text:
		n["type"] = "string"
		if r.nonempty {
			n["minLength"] = 1
		}
		if r.maxLength > 0 {
			n["maxLength"] = r.maxLength
		}
		if r.enum != nil {
			n["enum"] = r.enum
		}
		if r.constant != "" {
			n["const"] = r.constant
		}
	case boolean:
		n["type"] = "boolean"
	case integer, number:
		n = numbers(s)
	case list:
		n["type"], n["items"] = "array", b.takes(s.item)
		if r.minItems > 0 {
			n["minItems"] = r.minItems
		}
	case record:
		n["type"], n["additionalProperties"] = "object", b.takes(s.item)
	case object:
		if b.Defs[s.name] == nil {
			def := b.takenKeys(s)
			def["additionalProperties"] = false
			b.Defs[s.name] = def
		}
		n = ref(s.name)
	}
	if r.nullable || r.dropped {
		return orNull(n)
	}
	return n
}

func numbers(s *shape) Node {
	r := s.rules
	if r.constant != "" {
		return Node{"const": json.Number(r.constant)}
	}
	n := Node{"type": "number"}
	if s.kind == integer {
		n = Node{"type": "integer", "minimum": -maxInteger, "maximum": maxInteger}
	}
	if r.min != nil {
		n["minimum"] = *r.min
	}
	if r.max != nil {
		n["maximum"] = *r.max
	}
	return n
}

// sends describes what the gateway writes, to which later versions may add keys.
func (b *Schemas) sends(s *shape) Node {
	n := Node{}
	switch s.kind {
	case text:
		n["type"] = "string"
	case moment:
		n["type"], n["format"] = "string", "date-time"
	case boolean:
		n["type"] = "boolean"
	case integer:
		n["type"] = "integer"
	case number:
		n["type"] = "number"
	case list:
		n["type"], n["items"] = "array", b.sends(s.item)
	case record:
		n["type"], n["additionalProperties"] = "object", b.sends(s.item)
	case object:
		name := s.name
		if b.taken[name] {
			name += ".sent"
		}
		if b.Defs[name] == nil {
			b.Defs[name] = b.sentKeys(s)
		}
		n = ref(name)
	}
	if s.nilable {
		return orNull(n)
	}
	return n
}
