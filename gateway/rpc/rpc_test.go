package rpc

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

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
