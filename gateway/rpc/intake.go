package rpc

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// errTooLong is for a message that is to be longer than its client may send.
var errTooLong = errors.New("the message is too long")

// maxLinger bounds what is read and dropped of a client that is told that its message is
// too long: one that reads is to get the close frame, which a connection that is closed with
// unread bytes in it loses. That leaves room for a message at its longest and what follows it.
const maxLinger = protocol.MaxPayload + 8<<20

// Intake is a connection below a WebSocket that looks at the heads of the frames that
// come. A message is refused by the first head which says that it will be too long: that
// head and all content after it are dropped, and control frames go on to pass. One goroutine at a time reads.
type Intake struct {
	net.Conn
	line  Line
	ahead []byte // was read, and not looked at

	limit   atomic.Int64  // of a message, in bytes
	message atomic.Uint64 // bytes that the message that is coming has announced so far
	final   atomic.Bool   // whether that is all of it
	left    uint64        // of the frame that is coming
	content bool          // whether that is content
	drop    uint64        // of a frame that is dropped
	dropped uint64
	refused bool
	stride  stride
	unsaid  bool // refused, and Read has not said so
}

// NewIntake returns the intake of conn, of which ahead was read before. It tells line
// what of it is content.
func NewIntake(conn net.Conn, line Line, ahead []byte) *Intake {
	i := &Intake{Conn: conn, line: line, ahead: ahead}
	i.limit.Store(maxGreeting)
	return i
}

// Read returns what passes. It fails once when a message is refused, and again when the client
// has been read from for long enough. In the middle of a frame p may have any length, else it has
// room for a head.
func (i *Intake) Read(p []byte) (int, error) {
	for !i.unsaid && i.dropped <= maxLinger {
		n := copy(p, i.ahead)
		i.ahead = i.ahead[n:]
		if n == 0 || i.left == 0 && i.drop == 0 && !whole(p[:n]) {
			if n == len(p) {
				return 0, io.ErrShortBuffer
			}
			if n == 0 && i.drop > 0 {
				if err := i.skip(); err != nil {
					return 0, err
				}
				continue
			}
			more, err := i.read(p[n:])
			if more == 0 {
				return 0, err
			}
			n += more
		}
		if n = i.pass(p[:n]); n > 0 {
			return n, nil
		}
	}
	i.unsaid = false
	return 0, errTooLong
}

// bulk is how much room is made, in bytes, for what is large: of that more is on its way
// even when there is less than that for the moment.
const bulk = 16 << 10

// read reads, and lets others go first when more may be there.
func (i *Intake) read(p []byte) (int, error) {
	n, err := i.Conn.Read(p)
	if n == len(p) || len(p) >= bulk {
		i.stride.step()
	} else {
		i.stride.waits()
	}
	return n, err
}

// maxSkip is how much is read at once of what is dropped.
const maxSkip = 64 << 10

// skipped is what reads of all clients are dropped into; nobody reads it.
var skipped = sync.Pool{New: func() any { return new([maxSkip]byte) }}

// skip reads something that is dropped.
func (i *Intake) skip() error {
	into := skipped.Get().(*[maxSkip]byte)
	defer skipped.Put(into)
	n, err := i.read(into[:min(i.drop, maxSkip)])
	if n == 0 {
		return err
	}
	i.drop -= uint64(n)
	i.dropped += uint64(n)
	i.line.Carried(0, n)
	return nil
}

// pass leaves in p what passes, and returns its length.
func (i *Intake) pass(p []byte) (passed int) {
	padding, content := 0, 0
	for len(p) > passed && !i.unsaid {
		rest := p[passed:]
		switch {
		case i.drop > 0:
			n := min(i.drop, uint64(len(rest)))
			i.drop -= n
			i.dropped += n
			content += int(n)
			p = append(p[:passed], rest[n:]...)
		case i.left > 0:
			n := min(i.left, uint64(len(rest)))
			i.left -= n
			if i.content {
				content += int(n)
			} else {
				padding += int(n)
			}
			passed += int(n)
		default:
			h, ok := headOf(rest)
			if !ok {
				i.ahead = append(append([]byte(nil), rest...), i.ahead...)
				p = p[:passed]
				break
			}
			padding += h.size
			if i.admit(h) {
				passed += h.size
			} else {
				p = append(p[:passed], rest[h.size:]...)
			}
		}
	}
	if i.unsaid && len(p) > passed {
		i.ahead = append(append([]byte(nil), p[passed:]...), i.ahead...)
	}
	i.line.Carried(padding, content)
	return passed
}

// admit decides on a frame.
func (i *Intake) admit(h frameHead) bool {
	if h.control {
		i.left, i.content = h.length, false
		return true
	}
	before := i.message.Load()
	if h.first {
		before = 0
	}
	limit := uint64(i.limit.Load())
	if i.refused || h.length > limit || before > limit-h.length {
		i.unsaid = !i.refused
		i.refused, i.drop = true, h.length
		return false
	}
	i.message.Store(before + h.length)
	i.final.Store(h.final)
	i.left, i.content = h.length, true
	return true
}

// whole tells whether p begins with a whole head.
func whole(p []byte) bool {
	_, ok := headOf(p)
	return ok
}

// frameHead is the head of a frame (RFC 6455, 5.2), as far as it matters here.
type frameHead struct {
	size    int // in bytes
	control bool
	first   bool // of a message
	final   bool // of a message
	length  uint64
}

// headOf reads the head that p begins with; false when it is not whole.
func headOf(p []byte) (h frameHead, ok bool) {
	if len(p) < 2 {
		return h, false
	}
	kind, length := p[0]&0x0f, p[1]&0x7f
	h = frameHead{size: 2, control: kind >= 8, first: kind != 0, final: p[0]&0x80 != 0, length: uint64(length)}
	switch length {
	case 126:
		h.size += 2
	case 127:
		h.size += 8
	}
	extended := p[2:min(h.size, len(p))]
	if p[1]&0x80 != 0 {
		h.size += 4 // the mask
	}
	if len(p) < h.size {
		return h, false
	}
	switch length {
	case 126:
		h.length = uint64(binary.BigEndian.Uint16(extended))
	case 127:
		h.length = binary.BigEndian.Uint64(extended)
	}
	return h, true
}
