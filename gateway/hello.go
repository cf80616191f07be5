package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// hello is what a client that was let in is told, but for presence and health.
func (g *Gateway) hello(s *rpc.Session, token *auth.DeviceToken) protocol.Hello {
	h := protocol.Hello{
		Type: protocol.TypeHello, Protocol: protocol.Version,
		Server:   protocol.Server{Version: g.o.Version, Commit: g.o.Commit, Host: g.presence.Host(), ConnID: s.ID},
		Features: g.offer,
		Snapshot: protocol.Snapshot{
			StateVersion: *g.versions(), UptimeMs: time.Since(g.started).Milliseconds(),
			ConfigPath: g.o.ConfigPath, StateDir: g.o.StateDir, AuthMode: g.o.Auth.Mode,
			SessionDefaults: &protocol.SessionDefaults{DefaultAgentID: "main", MainKey: "main", MainSessionKey: "agent:main:main", Scope: "per-sender"},
		},
		Policy: protocol.Policy{MaxPayload: protocol.MaxPayload, MaxBufferedBytes: protocol.MaxBufferedBytes, TickIntervalMs: protocol.TickIntervalMs},
	}
	if token != nil {
		h.Auth = &protocol.HelloAuth{DeviceToken: token.Token, Role: token.Role, Scopes: token.Scopes, IssuedAtMs: token.IssuedAtMs()}
	}
	return h
}

// encode is the frame that brings hello, with presence and health, which are encoded
// already and most of it: json.Marshal would read them through twice.
func (g *Gateway) encode(id string, h protocol.Hello) ([]byte, error) {
	raw, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	head, tail, ok := bytes.Cut(raw, []byte(`"presence":null,"health":null`)) // in no string: its quotes would be escaped
	if !ok {
		return nil, errors.New("hello has no place for presence and health")
	}
	health, _ := g.health.Cached()
	if health == nil {
		health = json.RawMessage("{}")
	}
	b := append(rpc.AppendSuccess(nil, id), head...)
	b = g.presence.Append(append(b, `"presence":`...), len(health)+len(tail)+16)
	b = append(append(b, `,"health":`...), health...)
	return append(append(b, tail...), '}'), nil
}
