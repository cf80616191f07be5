package rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// Scope is a permission of an operator.
type Scope string

// The scopes; see Session.May for which include others.
const (
	ScopeAdmin     Scope = "operator.admin"
	ScopeRead      Scope = "operator.read"
	ScopeWrite     Scope = "operator.write"
	ScopeApprovals Scope = "operator.approvals"
	ScopePairing   Scope = "operator.pairing"
)

// NodeOnly stands in the place of a scope for methods that only a node may call. No
// operator has it, and a node needs no scope.
const NodeOnly Scope = "role node"

// Mux is a table of methods. Filled before it is used, it is then safe for
// concurrent use. The zero value is an empty table.
type Mux struct {
	methods map[string]method
	order   []string
}

type method struct {
	need   Scope
	params *shape
	early  *shape // of the first of two answers, nil for a method that has one
	result *shape
	closed bool // parameters that are not known are refused
	waits  bool // see Mux.Waits
	ready  func(params json.RawMessage) (run action, wrong string)
}

// action carries out one request whose parameters are right.
type action func(ctx context.Context, s *Session, early func(any) error) (any, error)

// Handle adds a method whose parameters are held against P, see Params.
func Handle[P, R any](m *Mux, name string, need Scope, fn func(context.Context, *Session, P) (R, error)) {
	params := ParamsOf[P]()
	m.add(name, method{need: need, params: params.shape, result: resultOf[R](), closed: true, ready: func(raw json.RawMessage) (action, string) {
		p, wrong := params.Read(raw)
		return func(ctx context.Context, s *Session, _ func(any) error) (any, error) { return fn(ctx, s, p) }, wrong
	}})
}

// HandleTwice is Handle for a method that may answer twice on the same id: with an E by
// calling early, and with an R when it ends. It waits, see Mux.Waits.
func HandleTwice[P, E, R any](m *Mux, name string, need Scope, fn func(ctx context.Context, s *Session, p P, early func(E) error) (R, error)) {
	params := ParamsOf[P]()
	m.add(name, method{need: need, params: params.shape, early: resultOf[E](), result: resultOf[R](), closed: true, waits: true, ready: func(raw json.RawMessage) (action, string) {
		p, wrong := params.Read(raw)
		return func(ctx context.Context, s *Session, early func(any) error) (any, error) {
			return fn(ctx, s, p, func(e E) error { return early(e) })
		}, wrong
	}})
}

// HandleLoose adds a method that ignores parameters which it does not know or
// whose type is wrong.
func HandleLoose[P, R any](m *Mux, name string, need Scope, fn func(context.Context, *Session, P) (R, error)) {
	m.add(name, method{need: need, params: ParamsOf[P]().shape, result: resultOf[R](), ready: func(raw json.RawMessage) (action, string) {
		p := readLoose[P](raw)
		return func(ctx context.Context, s *Session, _ func(any) error) (any, error) { return fn(ctx, s, p) }, ""
	}})
}

// Waits notes of methods that were added that they may wait for somebody: for a node, a
// person, another process or a lock that one may hold. Meanwhile their client is served on. Any
// other method holds up its client, and nobody else, until it is done.
func (m *Mux) Waits(names ...string) {
	for _, name := range names {
		known, ok := m.methods[name]
		if !ok {
			panic("rpc: method " + name + " is not registered")
		}
		known.waits = true
		m.methods[name] = known
	}
}

// Encoded is an R that was encoded before, for results that many ask for.
type Encoded[R any] struct{ JSON json.RawMessage }

// MarshalJSON returns it as it is.
func (e Encoded[R]) MarshalJSON() ([]byte, error) { return e.JSON, nil }

func (e Encoded[R]) encoded() json.RawMessage { return e.JSON }

func (Encoded[R]) shape() *shape { return resultOf[R]() }

func resultOf[R any]() *shape {
	var zero R
	if e, ok := any(zero).(interface{ shape() *shape }); ok {
		return e.shape()
	}
	return shapeOf(reflect.TypeFor[R](), rules{})
}

func (m *Mux) add(name string, known method) {
	if m.methods == nil {
		m.methods = map[string]method{}
	}
	if _, twice := m.methods[name]; twice {
		panic("rpc: method " + name + " is registered twice")
	}
	m.methods[name] = known
	m.order = append(m.order, name)
}

// Methods lists the methods in the order in which they were added.
func (m *Mux) Methods() []string { return slices.Clone(m.order) }

// nodeOnly are the methods that only a node may call, whether or not they exist.
func nodeOnly(name string) bool {
	return name == "node.invoke.result" || name == "node.event" || name == "skills.bins"
}

// authorise checks role and scopes before it matters whether the method exists,
// so that a refusal tells nothing of what does.
func (m *Mux) authorise(s *Session, name string) *protocol.Error {
	if nodeOnly(name) != (s.Role == protocol.RoleNode) {
		return protocol.Invalid("unauthorized role: " + s.Role)
	}
	if s.Role == protocol.RoleNode {
		return nil
	}
	need := ScopeAdmin // of every method that is not known
	if known, ok := m.methods[name]; ok {
		need = known.need
	}
	if s.May(need) {
		return nil
	}
	return protocol.Invalid("missing scope: " + string(need))
}

// task is a request that was looked at.
type task struct {
	req     protocol.Request
	run     action
	waits   bool
	refusal []byte // the frame that refuses it; nil for one that is to be carried out
}

// look tells what is to be done about a request.
func (m *Mux) look(s *Session, req protocol.Request) (t task) {
	t.req = req
	defer s.survive(req, &t.refusal)
	wrong := m.authorise(s, req.Method)
	if wrong == nil {
		t.run, t.waits, wrong = m.find(req)
	}
	if wrong != nil {
		t.refusal = failure(req.ID, wrong)
	}
	return t
}

// find finds the method of a request that is allowed, and reads its parameters.
func (m *Mux) find(req protocol.Request) (run action, waits bool, _ *protocol.Error) {
	if req.Method == "connect" {
		return nil, false, protocol.Invalid("connect is only valid as the first request")
	}
	known, ok := m.methods[req.Method]
	if !ok {
		return nil, false, protocol.Invalid("unknown method: " + clip(req.Method))
	}
	params := req.Params
	if len(params) == 0 || isNull(params) {
		params = json.RawMessage("{}")
	}
	run, wrong := known.ready(params)
	if wrong != "" {
		return nil, false, protocol.Invalid("invalid " + req.Method + " params: " + wrong)
	}
	return run, known.waits, nil
}

// do carries out a request and returns the frame that answers it.
func (t task) do(ctx context.Context, s *Session) (frame []byte) {
	if t.refusal != nil {
		return t.refusal
	}
	defer s.survive(t.req, &frame)
	result, err := t.run(ctx, s, func(result any) error {
		early, err := success(t.req.ID, result)
		if err == nil {
			s.offer(early)
		}
		return err
	})
	if err != nil {
		return failure(t.req.ID, wireError(err))
	}
	frame, err = success(t.req.ID, result)
	if err != nil {
		return failure(t.req.ID, wireError(err))
	}
	return frame
}

// survive answers a request whose method panicked; it is to be deferred.
func (s *Session) survive(req protocol.Request, frame *[]byte) {
	if p := recover(); p != nil {
		s.hub.log.Error("a method panicked", "method", req.Method, "panic", p, "stack", string(debug.Stack()))
		*frame = failure(req.ID, &protocol.Error{Code: protocol.CodeUnavailable, Message: "Error: " + req.Method + " failed inside the gateway"})
	}
}

// success is the frame that answers request id with result. A json.RawMessage has
// to be valid.
func success(id string, result any) ([]byte, error) {
	payload, err := encode(result)
	if err != nil {
		return nil, fmt.Errorf("result: %w", err)
	}
	return responseFrame(id, payload), nil
}

// failure is the frame that refuses request id.
func failure(id string, e *protocol.Error) []byte {
	frame, err := json.Marshal(protocol.Response{Type: protocol.TypeResponse, ID: id, Error: e})
	if err != nil { // Details that cannot be marshalled
		frame, _ = json.Marshal(protocol.Response{Type: protocol.TypeResponse, ID: id, Error: &protocol.Error{Code: e.Code, Message: e.Message}})
	}
	return frame
}

// wireError is how an error of a handler goes over the wire.
func wireError(err error) *protocol.Error {
	if e, ok := errors.AsType[*protocol.Error](err); ok {
		return e
	}
	return &protocol.Error{Code: protocol.CodeUnavailable, Message: "Error: " + err.Error()}
}
