package rpc

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// TestSchemaAndValidation: what a validator of JSON Schema lets through by the schema
// that we hand out, our own lets through, and the other way round.
func TestSchemaAndValidation(t *testing.T) {
	t.Parallel()
	for _, of := range []reflect.Type{
		reflect.TypeFor[params](), reflect.TypeFor[requestFrame](), reflect.TypeFor[protocol.ConnectParams](), reflect.TypeFor[protocol.LogsTailParams](),
		reflect.TypeFor[protocol.WakeParams](), reflect.TypeFor[protocol.ExecApprovalRequestParams](), reflect.TypeFor[protocol.ExecApprovalsSetParams](),
		reflect.TypeFor[protocol.NodePairRequestParams](), reflect.TypeFor[protocol.NodeInvokeParams](), reflect.TypeFor[protocol.NodeInvokeResultParams](),
		reflect.TypeFor[protocol.DeviceTokenRotateParams](), reflect.TypeFor[protocol.Empty](),
	} {
		t.Run(of.Name(), func(t *testing.T) {
			t.Parallel()
			s := shapeOf(of, rules{})
			b := NewSchemas(&Mux{})
			root := b.takes(s)
			root["$defs"] = b.Defs
			theirs := compile(t, root)
			rapid.Check(t, func(t *rapid.T) {
				raw, err := json.Marshal(draw(t, s))
				if err != nil {
					t.Fatal(err)
				}
				wrong := s.validate(raw)
				v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
				if err != nil {
					t.Fatal(err)
				}
				if err := theirs.Validate(v); (err == nil) != (wrong == "") {
					t.Fatalf("%s: we say %q, the schema %v", raw, wrong, err)
				}
			})
		})
	}
}

func compile(t *testing.T, schema any) *jsonschema.Schema {
	t.Helper()
	raw, err := json.Marshal(schema)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// draw makes a value that fits the shape, or nearly.
func draw(t *rapid.T, s *shape) any {
	odd := rapid.IntRange(0, 15).Draw(t, "odd") == 0
	if odd || s.kind == anything {
		return rapid.SampledFrom([]any{nil, true, "", "x", "now", 0, 1, -1, 1.5, 1e3, 1 << 53, 1<<53 + 2, -(1<<53 + 2), 1e300,
			[]any{}, []any{""}, []any{1}, map[string]any{}, map[string]any{"x": 1}}).Draw(t, "anything")
	}
	switch s.kind {
	case boolean:
		return rapid.Bool().Draw(t, "bool")
	case integer:
		return rapid.SampledFrom([]any{0, 1, 2, 3.0, 5000, 5001, -1, 1 << 53}).Draw(t, "integer")
	case number:
		return rapid.Float64Range(-2, 2).Draw(t, "number")
	case list:
		out := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			out = append(out, draw(t, s.item))
		}
		return out
	case record:
		out := map[string]any{}
		for _, k := range rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "a/b", "*"}), 0, 3).Draw(t, "keys") {
			out[k] = draw(t, s.item)
		}
		return out
	case object:
		out := map[string]any{}
		for _, f := range s.fields {
			if often := rapid.IntRange(0, 9).Draw(t, "there"); often > 7 || f.required && often > 0 {
				out[f.name] = draw(t, f.shape)
			}
		}
		if rapid.IntRange(0, 15).Draw(t, "more") == 0 {
			out["more"] = 1
		}
		return out
	}
	words := append([]string{"", "x", "äöü", "aaaa", s.rules.constant}, s.rules.enum...)
	return rapid.SampledFrom(words).Draw(t, "text")
}
