package rpc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/coder/websocket"
	"pgregory.net/rapid"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// pieces is a connection on which the pieces come one by one.
type pieces struct {
	net.Conn
	left    [][]byte
	padding int
	content int
}

func (c *pieces) Read(p []byte) (int, error) {
	if len(c.left) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.left[0])
	if c.left[0] = c.left[0][n:]; len(c.left[0]) == 0 {
		c.left = c.left[1:]
	}
	return n, nil
}

func (c *pieces) Carried(padding, content int) {
	c.padding += padding
	c.content += content
}

// frameOf is a frame as a client sends it; the mask is zero.
func frameOf(first byte, content []byte) []byte {
	f := []byte{first}
	switch n := len(content); {
	case n < 126:
		f = append(f, 0x80|byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, 0x80|126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, 0x80|127), uint64(n))
	}
	return append(append(f, 0, 0, 0, 0), content...)
}

// TestIntake: however the bytes come and are asked for, all pass but what is too long, which
// is told once, and the content after it; and everything counts as what it is.
func TestIntake(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const limit = 70_000
		var sent, want []byte
		content, message, refused := 0, 0, false
		for range rapid.IntRange(1, 8).Draw(t, "frames") {
			kind := rapid.SampledFrom([]byte{0x81, 0x01, 0x00, 0x80, 0x89, 0x8a}).Draw(t, "kind")
			n := rapid.SampledFrom([]int{0, 1, 125}).Draw(t, "length")
			control := kind&8 != 0
			if !control {
				n = rapid.SampledFrom([]int{0, 1, 125, 126, 600, 65_535, 65_536, limit, limit + 1}).Draw(t, "length")
				content += n
				if kind&0x0f != 0 {
					message = 0
				}
				message += n
				refused = refused || message > limit
			}
			f := frameOf(kind, bytes.Repeat([]byte{kind}, n))
			sent = append(sent, f...)
			if control || !refused {
				want = append(want, f...)
			}
		}
		ahead := rapid.IntRange(0, min(len(sent), 700)).Draw(t, "ahead")
		conn := &pieces{}
		for rest := sent[ahead:]; len(rest) > 0; {
			n := min(len(rest), rapid.SampledFrom([]int{1, 2, 7, 500, 8000, 1 << 20}).Draw(t, "piece"))
			if n < 8 && len(rest) > 20_000 {
				n = 20_000
			}
			conn.left, rest = append(conn.left, rest[:n]), rest[n:]
		}
		in := NewIntake(conn, conn, sent[:ahead:ahead])
		in.limit.Store(limit)
		var got []byte
		told := 0
		for {
			p := make([]byte, rapid.SampledFrom([]int{14, 512, 8192}).Draw(t, "room"))
			n, err := in.Read(p)
			got = append(got, p[:n]...)
			if errors.Is(err, errTooLong) {
				told++
			} else if err != nil {
				break
			}
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%d bytes passed, want %d", len(got), len(want))
		}
		if told > 1 || (told == 1) != refused || conn.content != content || conn.padding != len(sent)-content {
			t.Fatalf("told %d times, refused: %v; %d bytes of content counted, want %d", told, refused, conn.content, content)
		}
	})
}

// TestIntakeOfHeads: a head that announces more than anybody has is refused by itself, and no
// more than it takes is read of who goes on.
func TestIntakeOfHeads(t *testing.T) {
	t.Parallel()
	for name, length := range map[string]uint64{"the longest": 1<<63 - 1, "beyond the longest": 1<<64 - 1} {
		conn := &pieces{left: [][]byte{binary.BigEndian.AppendUint64([]byte{0x81, 0xff}, length), make([]byte, 4)}}
		in := NewIntake(conn, conn, nil)
		if _, err := in.Read(make([]byte, 512)); !errors.Is(err, errTooLong) {
			t.Errorf("%s: %v", name, err)
		}
		for range maxLinger>>20 + 5 {
			conn.left = append(conn.left, make([]byte, 1<<20))
		}
		if _, err := in.Read(make([]byte, 1<<20)); !errors.Is(err, errTooLong) || len(conn.left) == 0 {
			t.Errorf("%s: %v, %d left", name, err, len(conn.left))
		}
	}
	conn := &pieces{left: [][]byte{{0x81}, {0x80}}}
	if _, err := NewIntake(conn, conn, nil).Read(make([]byte, 1)); !errors.Is(err, io.ErrShortBuffer) {
		t.Errorf("without room for a head: %v", err)
	}
}

// TestToldWhileSending: who reads only once everything is sent hears that it was too long,
// and nothing of it is held meanwhile.
func TestToldWhileSending(t *testing.T) {
	t.Parallel()
	h := quiet(&Mux{})
	s, far := session(t, h)
	wait := serve(t, h, s)
	s.allow(maxSmall)
	// More than sockets take, so that it is read; not as much as may be, for which a busy machine
	// may take longer than the closing of a connection may.
	if err := far.Write(t.Context(), websocket.MessageText, make([]byte, 5<<20)); err != nil {
		t.Errorf("sending: %v", err)
	}
	if held := h.held.Load(); held > maxSmall {
		t.Errorf("%d bytes held", held)
	}
	wantFrames(t, far, "hello")
	if _, _, err := far.Read(t.Context()); websocket.CloseStatus(err) != protocol.CloseTooBig {
		t.Errorf("the end: %v", err)
	}
	wait()
}
