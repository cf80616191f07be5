package rpc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"slices"
	"unicode/utf8"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// firstRead is the room made for a message before anything of it is known; nearly
// every request fits.
const firstRead = 512

// maxRead is how much is read at once.
const maxRead = 64 << 10

// closeNotText is the code for text that is not UTF-8 (RFC 6455, 7.4.1).
const closeNotText = 1007

var errNotText = errors.New("a text frame that is not UTF-8")

// Read returns the next message. It is for the one goroutine that reads. Its bytes count
// as held for the client until Done is called with them. It ends when the connection does, and
// takes no ctx for the reason that write gives.
func (s *Session) Read() ([]byte, error) {
	s.endTurn()
	raw, err := s.message()
	if errors.Is(err, errTooLong) {
		s.Close(protocol.CloseTooBig, "message too long")
	}
	if err != nil {
		s.Done(raw)
		s.endTurn()
		return nil, err
	}
	return raw, nil
}

func (s *Session) message() ([]byte, error) {
	kind, r, err := s.conn.Reader(context.Background())
	if err != nil {
		return nil, err
	}
	raw, err := s.readAll(r)
	if err == nil && kind == websocket.MessageText && !utf8.Valid(raw) {
		s.Close(closeNotText, "invalid UTF-8")
		err = errNotText
	}
	if err == nil && kind == websocket.MessageBinary && !utf8.Valid(raw) {
		raw = s.asText(raw) // parts of it may go to others, as text
	}
	return raw, err
}

// asText replaces what is not UTF-8 in a message, as clients of the family do.
func (s *Session) asText(raw []byte) []byte {
	text := bytes.ToValidUTF8(raw, []byte("\uFFFD"))
	s.hold(cap(text) - cap(raw))
	return text
}

// readAll is io.ReadAll with an eye on what all clients together send: what has come of
// a message is held long before the message is complete.
func (s *Session) readAll(r io.Reader) ([]byte, error) {
	raw := make([]byte, 0, firstRead)
	s.hold(cap(raw))
	for {
		if len(raw) == cap(raw) {
			var err error
			if raw, err = s.grow(raw); err != nil {
				return raw, err
			}
		}
		n, err := r.Read(raw[len(raw):min(cap(raw), len(raw)+maxRead)])
		raw = raw[:len(raw)+n]
		if s.turn != nil {
			s.turn.bytes.Add(int64(n))
		}
		if errors.Is(err, io.EOF) {
			if s.turn != nil {
				s.turn.bytes.Store(math.MaxInt64) // it is the gateway's turn
			}
			return raw, nil
		}
		if err != nil {
			return raw, err
		}
	}
}

// maxCopy is how much is copied at once: the runtime cannot stop a copy, and while it wants
// to stop everything, everybody waits for it.
const maxCopy = 256 << 10

// grow makes room for more of a message: for twice as much as there is, and, once it is
// large, for all that it has announced or, of one that comes in pieces, for several times as
// much. A large message waits for its turn.
func (s *Session) grow(raw []byte) ([]byte, error) {
	room := 2 * cap(raw) // append grows so slowly that a large message is copied five times
	if len(raw) >= maxSmall {
		if s.turn == nil {
			if s.turn = s.hub.large.enter(s); s.turn == nil {
				return raw, net.ErrClosed
			}
		}
		room = min(8*cap(raw), protocol.MaxPayload+1) // the one more is for the end, which is read as well
		if s.in.final.Load() {
			room = int(s.in.message.Load()) + 1
		}
		room = max(room, len(raw)+1)
	}
	larger := make([]byte, 0, room)
	for part := range slices.Chunk(raw, maxCopy) {
		larger = append(larger, part...)
	}
	s.hold(cap(larger) - cap(raw))
	s.hub.relieve()
	return larger, nil
}

// endTurn lets others send large messages.
func (s *Session) endTurn() {
	if s.turn != nil {
		s.hub.large.leave(s.turn)
		s.turn = nil
	}
}

// Done lets go of a message that Read returned.
func (s *Session) Done(raw []byte) { s.hold(-cap(raw)) }

func (s *Session) hold(n int) {
	s.held.Add(int64(n))
	s.hub.held.Add(int64(n))
}

// maxInFlight bounds the requests of one client that are carried out at once, and a
// large request counts as many: together they have no more than MaxPayload bytes.
const maxInFlight = 64

// weight is how many of the places of maxInFlight a request takes.
func weight(size int) int {
	return min(1+size/(protocol.MaxPayload/maxInFlight), maxInFlight)
}

// places are the requests that a client may have carried out at once. One goroutine
// takes them, any may give them back.
type places chan struct{}

// take waits for n places; false when ctx ended first, and then none is taken.
func (p places) take(ctx context.Context, n int) bool {
	for taken := range n {
		select {
		case p <- struct{}{}:
		case <-ctx.Done():
			p.give(taken)
			return false
		}
	}
	return true
}

func (p places) give(n int) {
	for range n {
		<-p
	}
}
