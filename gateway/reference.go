package gateway

import (
	"bytes"
	"encoding/json"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/rescue"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// reference has all the methods, those of a rescue gateway among them, for what describes
// them; none is to be called.
func reference() *rpc.Mux {
	g := &Gateway{mux: &rpc.Mux{}, o: Options{Config: &config.Snapshot{}, Rescue: struct{ rescue.Supervisor }{}}}
	g.plugIn("")
	return g.mux
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
