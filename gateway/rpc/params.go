package rpc

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
)

// Params reads JSON texts as a P, after holding them against the `rule` tags of its
// fields. It is safe for concurrent use; ParamsOf makes one.
type Params[P any] struct{ shape *shape }

// ParamsOf makes what reads a P. It takes longer than reading one.
func ParamsOf[P any]() Params[P] { return Params[P]{shapeOf(reflect.TypeFor[P](), rules{})} }

// Read returns what the text says, or everything that is wrong with it, in the words
// of the family.
func (r Params[P]) Read(raw json.RawMessage) (p P, wrong string) {
	if wrong = r.shape.validate(raw); wrong != "" {
		return p, wrong
	}
	if !repeats(raw) && json.Unmarshal(raw, &p) == nil {
		return p, ""
	}
	// Some write whole numbers with a fraction of nothing or a power of ten, or a key twice.
	plain, err := wholeNumbers(raw)
	if err == nil {
		p = *new(P)
		err = json.Unmarshal(plain, &p)
	}
	if err != nil {
		return *new(P), err.Error()
	}
	return p, ""
}

// wholeNumbers writes a JSON text anew, with whole numbers as digits only and of each key
// the last.
func wholeNumbers(raw json.RawMessage) (json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(plain(v))
}

func plain(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	case json.Number:
		if f, err := v.Float64(); err == nil && f == float64(int64(f)) && f >= -maxInteger && f <= maxInteger {
			return int64(f)
		}
	}
	return v
}

// readLoose reads the fields of a P that fit and leaves the others as if they were absent.
func readLoose[P any](raw json.RawMessage) (p P) {
	if !repeats(raw) && json.Unmarshal(raw, &p) == nil {
		return p
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return *new(P)
	}
	v := reflect.ValueOf(&p).Elem()
	for i := range v.NumField() {
		v.Field(i).SetZero() // the first try may have left something in it
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if value, ok := fields[name]; ok && json.Unmarshal(value, v.Field(i).Addr().Interface()) != nil {
			v.Field(i).SetZero()
		}
	}
	return p
}
