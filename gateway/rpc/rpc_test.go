package rpc

import (
	"bytes"
	"encoding/json"
	"errors"
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
}

type inner struct {
	On bool `json:"on" rule:"required"`
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"name":"x"}`: "",
		`{"name":"x","count":5,"tags":["a"],"mode":"cli","flags":{"a":true},"inner":{"on":false}}`: "",
		`{}`:                             "must have required property 'name'",
		`{"name":""}`:                    "at /name: must NOT have fewer than 1 characters",
		`{"name":7}`:                     "at /name: must be string",
		`{"name":"x","count":0}`:         "at /count: must be >= 1",
		`{"name":"x","count":6}`:         "at /count: must be <= 5",
		`{"name":"x","count":1.5}`:       "at /count: must be integer",
		`{"name":"x","count":1e300}`:     "at /count: must be integer",
		`{"name":"x","tags":"a"}`:        "at /tags: must be array",
		`{"name":"x","tags":["a",""]}`:   "at /tags/1: must NOT have fewer than 1 characters",
		`{"name":"x","mode":"?"}`:        "at /mode: must be equal to constant; at /mode: must match a schema in anyOf",
		`{"name":"x","flags":{"a/b":1}}`: "at /flags/a~1b: must be boolean",
		`{"name":"x","inner":{"y":1}}`:   "at /inner: must have required property 'on'; at /inner: unexpected property 'y'",
		`{"name":"x","b":1,"a":1}`:       "at root: unexpected property 'a'; at root: unexpected property 'b'",
		`[]`:                             "must be object",
		`nonsense`:                       "must be object",
	} {
		if got := Validate(json.RawMessage(in), reflect.TypeFor[params]()); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
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
		got := Validate(json.RawMessage(in), reflect.TypeFor[params]())
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
		got, err := json.Marshal(decodeLoose[loose](json.RawMessage(in)))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", in, got, err)
		}
	}
}

// FuzzValidate: what passes can be decoded, and nothing panics.
func FuzzValidate(f *testing.F) {
	f.Add([]byte(`{"minProtocol":3,"maxProtocol":3,"client":{"id":"cli","mode":"cli","version":"1","platform":"x"},"scopes":["a"]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if Validate(raw, reflect.TypeFor[protocol.ConnectParams]()) != "" {
			return
		}
		var p protocol.ConnectParams
		if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&p); err != nil {
			t.Errorf("%s passes and cannot be decoded: %v", raw, err)
		}
	})
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"type":"req","id":"1","method":"health","params":{}}`))
	f.Add([]byte(`{"type":"res","id":7}`))
	f.Add([]byte(` { "params" : [1, {"a":"}\\""}] , "method":"m","id":"\u00e4" ,"type":"req"}`))
	f.Add([]byte(`{"type":"req","id":"1","method":"m","params":-1e3}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		req, id, err := ParseRequest(raw)
		if id == "" || err == nil && (req.ID == "" || req.Method == "" || req.Type != protocol.TypeRequest) {
			t.Errorf("%s: %+v, %q, %v", raw, req, id, err)
		}
		if errors.Is(err, ErrNotJSON) {
			return
		}
		if quick, ok := plainRequest(raw); ok {
			if slow, _, err := anyRequest(raw); err != nil || !reflect.DeepEqual(quick, slow) {
				t.Errorf("%s: read as %+v, the long way round as %+v, %v", raw, quick, slow, err)
			}
		}
	})
}
