package rpc

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"reflect"
	"slices"
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
	f.Fuzz(func(t *testing.T, raw []byte) {
		req, id, err := ParseRequest(raw)
		if id == "" || err == nil && (req.ID == "" || req.Method == "" || req.Type != protocol.TypeRequest) {
			t.Errorf("%s: %+v, %q, %v", raw, req, id, err)
		}
	})
}

// TestSlowConsumer: a client that does not read loses what may be dropped, and
// the connection for what may not.
func TestSlowConsumer(t *testing.T) {
	t.Parallel()
	h := NewHub(&Mux{}, slog.New(slog.DiscardHandler))
	s := &Session{hub: h, wake: make(chan struct{}, 1), Role: protocol.RoleOperator}
	h.sessions[s] = false
	h.Welcome(s, []byte("hello"))
	s.written(-protocol.MaxBufferedBytes)
	for _, tc := range []struct {
		drop   bool
		queued int
		ends   bool
	}{{true, 1, false}, {false, 0, true}} {
		if err := h.Broadcast("tick", 1, Delivery{Drop: tc.drop}); err != nil {
			t.Fatal(err)
		}
		if len(s.queue) != tc.queued || (s.ending != nil) != tc.ends {
			t.Errorf("drop %v: %d queued, ending %+v", tc.drop, len(s.queue), s.ending)
		}
	}
	if s.ending.code != protocol.ClosePolicy || s.ending.reason != "slow consumer" {
		t.Errorf("ends with %+v", s.ending)
	}
}

// TestSeq: broadcasts are numbered while there are clients, those that a client
// may not see included; what is sent to one is not.
func TestSeq(t *testing.T) {
	t.Parallel()
	h := NewHub(&Mux{}, slog.New(slog.DiscardHandler))
	if err := h.Broadcast("tick", 1, Delivery{}); err != nil || h.seq != 0 {
		t.Errorf("seq %d without clients, %v", h.seq, err)
	}
	s := &Session{hub: h, wake: make(chan struct{}, 1), Role: protocol.RoleOperator}
	h.sessions[s] = false
	h.Welcome(s, []byte("{}"))
	for _, d := range []Delivery{{}, {Need: ScopePairing}, {Version: &protocol.StateVersion{Presence: 1, Health: 2}}} {
		if err := h.Broadcast("x", nil, d); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Send(s, "y", nil, nil); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, frame := range s.queue {
		got = append(got, string(frame))
	}
	want := []string{"{}", `{"type":"event","event":"x","payload":null,"seq":1}`,
		`{"type":"event","event":"x","payload":null,"seq":3,"stateVersion":{"presence":1,"health":2}}`, `{"type":"event","event":"y","payload":null}`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
