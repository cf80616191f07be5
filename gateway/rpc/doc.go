package rpc

import (
	"encoding/json"
	"reflect"
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
		for i := range known.params.NumField() {
			f := known.params.Field(i)
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			d.Params = append(d.Params, ParamDoc{key, jsonType(f.Type), f.Tag.Get("rule")})
		}
		out = append(out, d)
	}
	return out
}

func jsonType(t reflect.Type) string {
	if t == reflect.TypeFor[json.RawMessage]() {
		return "anything"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return jsonType(t.Elem())
	case reflect.Bool:
		return "boolean"
	case reflect.Int, reflect.Int64:
		return "integer"
	case reflect.Slice:
		return "array of " + jsonType(t.Elem())
	case reflect.Struct, reflect.Map:
		return "object"
	}
	return "string"
}
