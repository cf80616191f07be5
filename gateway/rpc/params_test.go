package rpc

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

type params struct {
	Name  string          `json:"name" rule:"required,nonempty"`
	Count int             `json:"count,omitempty" rule:"min=1,max=5"`
	Tags  []string        `json:"tags,omitempty" rule:"nonempty"`
	Mode  string          `json:"mode,omitempty" rule:"enum=ClientModes"`
	Flags map[string]bool `json:"flags,omitempty"`
	Inner *inner          `json:"inner,omitempty"`
	Kind  int             `json:"kind,omitempty" rule:"const=1"`
	Note  *string         `json:"note,omitempty" rule:"nullable"`
	Keys  []string        `json:"keys,omitempty" rule:"nonempty,minitems=1"`
	Label string          `json:"label,omitempty" rule:"nonempty,maxlen=3"`
	Share float64         `json:"share,omitempty" rule:"max=1"`
	Lost  *inner          `json:"lost,omitempty" rule:"droppednull"`
	Any   json.RawMessage `json:"any,omitempty"`
}

type inner struct {
	On bool   `json:"on" rule:"required"`
	X  string `json:"x,omitempty"`
}

// TestValidationText holds the texts against those that the validator of the family
// (Ajv 8 with all errors) gives for the same schema and the same input.
func TestValidationText(t *testing.T) {
	t.Parallel()
	p := ParamsOf[params]()
	for in, want := range map[string]string{
		`{"name":"x"}`: "",
		`{"name":"x","count":5,"tags":["a"],"mode":"cli","flags":{"a":true},"inner":{"on":false},"kind":1,"note":null,"keys":["a"],"label":"äöü","share":0.5,"lost":null,"any":[]}`: "",
		`{}`:                                            "must have required property 'name'",
		`{"name":""}`:                                   "at /name: must NOT have fewer than 1 characters",
		`{"name":7}`:                                    "at /name: must be string",
		`{"name":null}`:                                 "at /name: must be string",
		`{"name":"x","count":0}`:                        "at /count: must be >= 1",
		`{"name":"x","count":6}`:                        "at /count: must be <= 5",
		`{"name":"x","count":1.5}`:                      "at /count: must be integer",
		`{"name":"x","count":0.5}`:                      "at /count: must be integer; at /count: must be >= 1",
		`{"name":"x","count":"1"}`:                      "at /count: must be integer",
		`{"name":"x","count":1e300}`:                    "at /count: must be integer; at /count: must be <= 5", // Ajv takes it for an integer; we cannot
		`{"name":"x","tags":"a"}`:                       "at /tags: must be array",
		`{"name":"x","tags":["a","",3]}`:                "at /tags/1: must NOT have fewer than 1 characters; at /tags/2: must be string",
		`{"name":"x","mode":"?"}`:                       "at /mode: must be equal to constant; at /mode: must match a schema in anyOf",
		`{"name":"x","mode":7}`:                         "at /mode: must be string; at /mode: must be equal to constant; at /mode: must match a schema in anyOf",
		`{"name":"x","mode":null}`:                      "at /mode: must be string; at /mode: must be equal to constant; at /mode: must match a schema in anyOf",
		`{"name":"x","flags":{"t~u":"x","a/b":1,"":2}}`: "at /flags/t~0u: must be boolean; at /flags/a~1b: must be boolean; at /flags/: must be boolean",
		`{"name":"x","inner":{"y":1,"x":2}}`:            "at /inner: must have required property 'on'; at /inner: unexpected property 'y'; at /inner/x: must be string",
		`{"name":"x","inner":5}`:                        "at /inner: must be object",
		`{"name":"x","lost":5}`:                         "at /lost: must be object",
		`{"name":"x","kind":2}`:                         "at /kind: must be equal to constant",
		`{"name":"x","kind":"1"}`:                       "at /kind: must be number; at /kind: must be equal to constant",
		`{"name":"x","note":7}`:                         "at /note: must be string; at /note: must be null; at /note: must match a schema in anyOf",
		`{"name":"x","keys":[]}`:                        "at /keys: must NOT have fewer than 1 items",
		`{"name":"x","label":"aaaa"}`:                   "at /label: must NOT have more than 3 characters",
		`{"name":"x","label":""}`:                       "at /label: must NOT have fewer than 1 characters",
		`{"name":"x","share":2}`:                        "at /share: must be <= 1",
		`{"name":"x","share":"2"}`:                      "at /share: must be number",
		`{"name":"","b":1,"a/b":{},"b":2}`:              "at root: unexpected property 'b'; at root: unexpected property 'a/b'; at /name: must NOT have fewer than 1 characters",
		`{"z":1}`:                                       "must have required property 'name'; at root: unexpected property 'z'",
		`[]`:                                            "must be object",
		`null`:                                          "must be object",
		`5`:                                             "must be object",
		`nonsense`:                                      "must be object",
	} {
		if _, got := p.Read(json.RawMessage(in)); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

// TestRequestText: so for a request frame.
func TestRequestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"type":"req","id":"1","method":"m"}`:               "",
		`{"type":"req","id":"1","method":"m","params":null}`: "",
		`{"type":"res","id":"r","ok":true}`:                  "must have required property 'method'; at root: unexpected property 'ok'; at /type: must be equal to constant",
		`{"type":"event","event":"x"}`: "must have required property 'id'; must have required property 'method'; at root: unexpected property 'event'; " +
			"at /type: must be equal to constant",
		`{}`:                                 "must have required property 'type'; must have required property 'id'; must have required property 'method'",
		`{"type":1,"id":1,"method":1}`:       "at /type: must be string; at /type: must be equal to constant; at /id: must be string; at /method: must be string",
		`{"type":"req","id":"","method":""}`: "at /id: must NOT have fewer than 1 characters; at /method: must NOT have fewer than 1 characters",
		`[]`:                                 "must be object",
		`null`:                               "must be object",
		`"x"`:                                "must be object",
	} {
		_, _, err := ParseRequest([]byte(in))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

// TestTagsThatAreNone: a rule that is misspelt does not count as no rule.
func TestTagsThatAreNone(t *testing.T) {
	t.Parallel()
	for name, of := range map[string]reflect.Type{
		"a rule": reflect.TypeFor[struct {
			A string `json:"a" rule:"requird"`
		}](),
		"an enum": reflect.TypeFor[struct {
			A string `json:"a" rule:"enum=ClientMode"`
		}](),
		"a number": reflect.TypeFor[struct {
			A int `json:"a" rule:"min=one"`
		}](),
		"a type": reflect.TypeFor[struct {
			A chan int `json:"a"`
		}](),
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s that there is not was taken", name)
				}
			}()
			shapeOf(of, rules{})
		}()
	}
}

// TestWholeNumbers: however a whole number is written, it is one.
func TestWholeNumbers(t *testing.T) {
	t.Parallel()
	p := ParamsOf[params]()
	for in, want := range map[string]params{
		`{"name":"x","count":3.0}`:                                             {Name: "x", Count: 3},
		`{"name":"x","count":20e-1}`:                                           {Name: "x", Count: 2},
		`{"name":"x","kind":1.0,"share":0.5}`:                                  {Name: "x", Kind: 1, Share: 0.5},
		`{"name":"x","count":5.0,"any":[1.50,{"a":2.0},12345678901234567890]}`: {Name: "x", Count: 5, Any: json.RawMessage(`[1.50,{"a":2},12345678901234567890]`)},
	} {
		got, wrong := p.Read(json.RawMessage(in))
		if wrong != "" || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %q", in, got, wrong)
		}
	}
}

// TestWrongInManyPlaces: a large text that is wrong everywhere is refused in few words, and
// without looking at each place again for every other.
func TestWrongInManyPlaces(t *testing.T) {
	t.Parallel()
	var keys strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&keys, `,"k%d":1`, i)
	}
	for name, in := range map[string]string{
		"properties":  `{"name":"x"` + keys.String() + `}`,
		"items":       `{"name":"x","tags":["a"` + strings.Repeat(`,1`, 50_000) + `]}`,
		"flags":       `{"name":"x","flags":{"a":1` + keys.String() + `}}`,
		"a long name": `{"name":"x","` + strings.Repeat("k", 1<<20) + `":1}`,
	} {
		_, got := ParamsOf[params]().Read(json.RawMessage(in))
		if got == "" || len(got) > 8<<10 {
			t.Errorf("%s: %d bytes: %.100s", name, len(got), got)
		}
		if name != "a long name" && !strings.HasSuffix(got, "; and more") {
			t.Errorf("%s: ends with %s", name, got[len(got)-20:])
		}
	}
}

// TestLooseParams: of parameters that a method is not strict about, those that do not
// fit count as absent, whatever the others are.
func TestLooseParams(t *testing.T) {
	t.Parallel()
	type loose struct {
		On   *bool    `json:"on"`
		Tags []string `json:"tags"`
		Name string   `json:"name"`
	}
	for in, want := range map[string]string{
		`{"on":true,"tags":["a"],"name":"x","more":1}`: `{"on":true,"tags":["a"],"name":"x"}`,
		`{"on":"yes","name":"x"}`:                      `{"on":null,"tags":null,"name":"x"}`,
		`{"tags":["a",7],"on":false,"name":{}}`:        `{"on":false,"tags":null,"name":""}`,
		`[]`:                                           `{"on":null,"tags":null,"name":""}`,
		`"x"`:                                          `{"on":null,"tags":null,"name":""}`,
	} {
		got, err := json.Marshal(readLoose[loose](json.RawMessage(in)))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
}

// FuzzParams: whatever is sent, it is read or something is wrong with it, and nothing panics.
func FuzzParams(f *testing.F) {
	f.Add([]byte(`{"minProtocol":3.0,"maxProtocol":3,"client":{"id":"cli","mode":"cli","version":"1","platform":"x"},"scopes":["a"]}`))
	p := ParamsOf[protocol.ConnectParams]()
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, wrong := p.Read(raw)
		if (wrong == "") != (got.MinProtocol > 0) {
			t.Errorf("%s: %+v, %q", raw, got, wrong)
		}
	})
}
