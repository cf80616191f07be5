package rpc

import "sync/atomic"

// message is a frame on its way to any number of clients: encoded once, and counted
// once for the memory that the gateway holds. Whoever made it holds it, as does each
// queue that it is in and whoever writes it.
type message struct {
	raw     []byte
	total   *atomic.Int64 // the hub's
	holders atomic.Int32
	gone    chan struct{} // closed when nobody holds it any more; nil if nobody asks
}

// overhead is what a message takes beside its bytes, in the order of magnitude: a flood
// of tiny ones is to count as what it is.
const overhead = 64

func (h *Hub) newMessage(raw []byte) *message {
	m := &message{raw: raw, total: &h.held}
	m.holders.Store(1)
	m.total.Add(m.size())
	return m
}

func (m *message) size() int64 { return int64(len(m.raw)) + overhead }

// hold is for one who has it from somebody that still holds it.
func (m *message) hold() { m.holders.Add(1) }

func (m *message) release() {
	if m.holders.Add(-1) > 0 {
		return
	}
	m.total.Add(-m.size())
	if m.gone != nil {
		close(m.gone)
	}
}
