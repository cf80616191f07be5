package gateway

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/coderclaw/coderclaw/gateway/approvals"
	"github.com/coderclaw/coderclaw/gateway/channels"
	"github.com/coderclaw/coderclaw/gateway/configview"
	"github.com/coderclaw/coderclaw/gateway/devices"
	"github.com/coderclaw/coderclaw/gateway/health"
	"github.com/coderclaw/coderclaw/gateway/heartbeat"
	"github.com/coderclaw/coderclaw/gateway/logs"
	"github.com/coderclaw/coderclaw/gateway/nodes"
	"github.com/coderclaw/coderclaw/gateway/presence"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rescue"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// reference has all the methods, for what describes them; none is to be called.
func reference() *rpc.Mux {
	m, chans := &rpc.Mux{}, channels.New(nil, time.Now)
	register(m, health.New(protocol.Identity{}, "", health.Sources{}, nil, time.Now), logs.New(""), chans, configview.New(nil),
		approvals.NewLists("", nil), approvals.NewDecisions(nil, nil), nodes.New(nodes.Options{}, time.Now),
		devices.New(nil, nil, nil, nil), presence.New(presence.Self{}, time.Now), presence.NewEvents(nil, nil, nil),
		heartbeat.New(heartbeat.Schedule{}, nil, nil), rescue.New(nil, time.Now))
	return m
}

// Reference describes what a gateway answers and sends, for the documentation.
func Reference() (methods []rpc.MethodDoc, sent []string) {
	for _, k := range eventKinds(true) {
		sent = append(sent, k.name)
	}
	return inOrder(reference().Docs(), func(d rpc.MethodDoc) string { return d.Name }), sent
}

// Schema is the JSON Schema of all that a gateway takes and sends over its WebSocket,
// indented, with a newline at its end.
func Schema() ([]byte, error) {
	b := rpc.NewSchemas(reference())
	events := rpc.Node{}
	for _, k := range eventKinds(true) {
		e := rpc.Node{"payload": b.Sent(k.payload)}
		if k.need != "" {
			e["scope"] = string(k.need)
		}
		events[k.name] = e
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(rpc.Node{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "Control plane of coderclaw: WebSocket RPC, protocol 3",
		"frames":  b.Frames(),
		"methods": b.Methods,
		"events":  events,
		"$defs":   b.Defs,
	})
	return out.Bytes(), err
}
