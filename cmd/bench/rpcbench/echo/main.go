// Command echo is what the gateway's protocol is held against: a bare
// coder/websocket server on an inherited socket that sends every message back to
// whoever sent it, or to everybody when it begins with "!".
package main

import (
	"context"
	"log"
	"net"
	"net/http"
	"os"
	"sync"

	"github.com/coder/websocket"
)

func main() {
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		log.Fatal(err)
	}
	var h hub
	log.Fatal(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
		if err != nil {
			return // Accept has answered
		}
		go h.serve(c) // beside the handler, so that an idle client does not hold the buffers of an HTTP request
	})))
}

type hub struct {
	mu      sync.Mutex // guards clients
	clients map[*websocket.Conn]bool
}

func (h *hub) serve(c *websocket.Conn) {
	h.mu.Lock()
	if h.clients == nil {
		h.clients = map[*websocket.Conn]bool{}
	}
	h.clients[c] = true
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.clients, c)
		_ = c.CloseNow() // it may have ended by itself
	}()
	ctx := context.Background()
	for {
		kind, msg, err := c.Read(ctx)
		if err != nil {
			return
		}
		if len(msg) > 0 && msg[0] == '!' {
			h.all(ctx, msg)
			continue
		}
		if err := c.Write(ctx, kind, msg); err != nil {
			return
		}
	}
}

// all sends a message to everybody, one after the other.
func (h *hub) all(ctx context.Context, msg []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.clients {
		_ = c.Write(ctx, websocket.MessageText, msg) // it may have ended
	}
}
