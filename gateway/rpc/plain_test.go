package rpc

import (
	"errors"
	"reflect"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// TestPlainRequest: what clients write takes the quick way.
func TestPlainRequest(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		`{"type":"req","id":"1","method":"health"}`:                                           true,
		`{"type":"req","id":"1","method":"health","params":{"a":"}\"","b":[{}]}}`:             true,
		"\n{ \"id\" : \"1\", \"params\" : null ,\t\"type\":\"req\",\"method\":\"health\" }\n": true,
		`{"type":"req","id":"\u0031","method":"health"}`:                                      false,
		`{"type":"req","id":"1","method":"health","extra":1}`:                                 false,
		`{"type":"req","id":"1","id":"2","method":"health"}`:                                  false,
		`{"type":"req","id":"","method":"health"}`:                                            false,
		`{"type":"res","id":"1","method":"health"}`:                                           false,
		`{"type":"req","id":"1"}`:                                                             false,
		`{}`:                                                                                  false,
		`[]`:                                                                                  false,
		`7`:                                                                                   false,
	} {
		if _, ok := plainRequest([]byte(in)); ok != want {
			t.Errorf("%s: %v", in, ok)
		}
	}
}

// FuzzParseRequest: the quick way and the long one read the same.
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

// BenchmarkParseRequest is what reading one request costs.
func BenchmarkParseRequest(b *testing.B) {
	raw := []byte(`{"type":"req","id":"17","method":"health","params":{"probe":false}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := ParseRequest(raw); err != nil {
			b.Fatal(err)
		}
	}
}
