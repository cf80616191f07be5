package rpc

import "testing"

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
