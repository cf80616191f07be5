package gateway_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway"
	"github.com/coderclaw/coderclaw/gateway/door"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// foes are the clients of one attack.
type foes struct {
	t *testing.T
	r *running

	mu    sync.Mutex // guards what follows
	conns []net.Conn
	tasks sync.WaitGroup
}

type attack struct {
	name string
	run  func(*foes)
}

// scale is how much of everything the foes do.
type scale struct {
	crowd        int // connections at once
	large        int // messages of 26 MiB
	requests     int
	length, deaf time.Duration // how long they go on, and where nobody reads
	stay         time.Duration // how long they are there when they have done what they do once
}

var (
	short   = scale{crowd: 1500, large: 2, requests: 5_000, length: 200 * time.Millisecond, deaf: 200 * time.Millisecond}
	figures = scale{crowd: 10_000, large: 80, requests: 100_000, length: 3 * time.Second, deaf: 3 * time.Second, stay: 3 * time.Second}
	full    = scale{crowd: 10_000, large: 20, requests: 100_000, length: 10 * time.Second, deaf: time.Minute}
)

func attacks(of scale) []attack {
	crowd := min(of.crowd, door.Files()/4) // the sockets of both sides may be in this process
	length := of.length
	return []attack{
		{"half-open: nothing is sent", func(f *foes) { f.each(crowd, func() { f.connect() }) }},
		{"half-open: half a head", func(f *foes) {
			f.each(crowd, func() { f.say(f.connect(), "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ") })
		}},
		{"half-open: half an upgrade", func(f *foes) {
			f.each(crowd, func() { f.say(f.connect(), strings.TrimSuffix(upgradeHead, "\r\n")) })
		}},
		{"half-open: upgraded, no connect", func(f *foes) { f.each(crowd, func() { f.say(f.connect(), upgradeHead) }) }},
		{"half-open: half a connect", func(f *foes) {
			f.each(crowd, func() { f.say(f.connect(), upgradeHead+string(head(opText|fin, 5000))+`{"type":"req"`) })
		}},
		{"half a body", func(f *foes) {
			f.each(crowd, func() {
				f.say(f.connect(), "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000\r\n\r\nx")
			})
		}},
		{"heads that never end", func(f *foes) {
			f.flood(4, length, func() net.Conn {
				c := f.connect()
				f.say(c, "GET / HTTP/1.1\r\n")
				return c
			}, []byte("X-Long: "+strings.Repeat("x", 1000)+"\r\n"))
		}},
		{"slow in the middle of a frame", func(f *foes) {
			f.each(20, func() { f.say(f.enter(), string(head(opText|fin, 20<<20))+strings.Repeat("x", 1<<20)) })
			time.Sleep(of.stay)
		}},
		{"frames of 26 MiB", func(f *foes) {
			f.each(of.large, func() { f.wantClose(f.enterDeaf(), 1009, head(opText|fin, 26<<20), make([]byte, 26<<20)) })
		}},
		{"fragments that add up to 26 MiB", func(f *foes) {
			f.each(of.large, func() {
				var parts [][]byte
				for i := range 27 {
					kind := byte(0)
					if i == 0 {
						kind = opText
					}
					parts = append(parts, head(kind, 1<<20), make([]byte, 1<<20))
				}
				f.wantClose(f.enterDeaf(), 1009, parts...)
			})
		}},
		{"a reader that never reads", func(f *foes) {
			ask := frame(`{"type":"req","id":"1","method":"health"}`)
			f.flood(2, of.deaf, f.enterDeaf, bytes.Repeat(ask, 100))
		}},
		{"pings", func(f *foes) { f.flood(8, length, f.enter, bytes.Repeat(head(opPing|fin, 0), 500)) }},
		{"pings of strangers", func(f *foes) { f.flood(8, length, f.upgrade, bytes.Repeat(head(opPing|fin, 0), 500)) }},
		{"pongs", func(f *foes) { f.flood(8, length, f.enter, bytes.Repeat(append(head(opPong|fin, 4), "nope"...), 500)) }},
		{"tiny fragments", func(f *foes) {
			f.flood(8, length, f.enterWith(head(opText, 0)), bytes.Repeat(append(head(0, 1), 'x'), 500))
		}},
		{"empty fragments", func(f *foes) {
			f.flood(8, length, f.enterWith(head(opText, 0)), bytes.Repeat(head(0, 0), 500))
		}},
		{"not JSON", func(f *foes) { f.flood(2, length, f.enter, bytes.Repeat(frame("{"), 500)) }},
		{"methods that do not exist", func(f *foes) {
			f.each(2, func() {
				c := f.enterDeaf()
				for i := range of.requests {
					f.say(c, string(frame(fmt.Sprintf(`{"type":"req","id":"%d","method":"no.such.%d"}`, i, i))))
				}
				f.wantClose(c, 1000, head(opClose|fin, 2), binary.BigEndian.AppendUint16(nil, 1000))
			})
		}},
	}
}

// leave closes everything.
func (f *foes) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.conns {
		c.Close()
	}
	f.tasks.Wait()
}

// strangers is how many there may be at once: one more may be on its way out.
func (f *foes) strangers() int { return gateway.Strangers() + 1 }

// each does something n times, a few at a time.
func (f *foes) each(n int, do func()) {
	var wg sync.WaitGroup
	turn := make(chan struct{}, 16)
	for range n {
		turn <- struct{}{}
		wg.Go(func() {
			do()
			<-turn
		})
	}
	wg.Wait()
}

// flood has n clients send the same again and again, for a while.
func (f *foes) flood(n int, length time.Duration, open func() net.Conn, what []byte) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			c := open()
			_ = c.SetWriteDeadline(time.Now().Add(length))
			for {
				if _, err := c.Write(what); err != nil {
					return // the time is over, or the gateway has had enough
				}
			}
		})
	}
	wg.Wait()
}

func (f *foes) connect() net.Conn {
	c, err := net.Dial("tcp", strings.TrimPrefix(f.r.url, "ws://"))
	if err != nil {
		f.t.Errorf("connect: %v", err)
		c, _ = net.Pipe()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns = append(f.conns, c)
	return c
}

// say sends what the gateway may have had enough of.
func (f *foes) say(c net.Conn, what string) { _, _ = io.WriteString(c, what) }

const upgradeHead = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"

// heard is a connection of which the answer to the upgrade was read.
type heard struct {
	net.Conn
	in *bufio.Reader
}

// upgradeOn makes a WebSocket of a connection.
func upgradeOn(c net.Conn) (*heard, error) {
	h := &heard{c, bufio.NewReader(c)}
	if _, err := io.WriteString(c, upgradeHead); err != nil {
		return h, err
	}
	res, err := http.ReadResponse(h.in, nil)
	if err == nil && res.StatusCode != http.StatusSwitchingProtocols {
		err = errors.New(res.Status)
	}
	return h, err
}

// letIn has the client of a WebSocket let in, as the device with that key.
func (h *heard) letIn(k key) error {
	params, err := json.Marshal(k.sign(plain(), time.Now(), ""))
	if err != nil {
		return err
	}
	if _, err := h.Write(frame(`{"type":"req","id":"0","method":"connect","params":` + string(params) + `}`)); err != nil {
		return err
	}
	for {
		kind, payload, err := next(h.in)
		if err != nil || kind != opText {
			return fmt.Errorf("%s, %v", payload, err)
		}
		var res protocol.Response
		if err := json.Unmarshal(payload, &res); err != nil || res.Type == "res" {
			if !res.OK {
				return fmt.Errorf("refused: %s", payload)
			}
			return nil
		}
	}
}

func (f *foes) upgradeDeaf() *heard {
	h, err := upgradeOn(f.connect())
	if err != nil {
		f.t.Errorf("upgrade: %v", err)
	}
	return h
}

// upgrade returns a WebSocket whose messages are read and forgotten.
func (f *foes) upgrade() net.Conn {
	c := f.upgradeDeaf()
	f.tasks.Go(func() { _, _ = io.Copy(io.Discard, c.in) })
	return c
}

// enterDeaf returns a WebSocket that was let in, from which nothing is read.
func (f *foes) enterDeaf() net.Conn {
	h := f.upgradeDeaf()
	if err := h.letIn(newKey(f.t)); err != nil {
		f.t.Errorf("connect: %v", err)
	}
	return h
}

// enter returns one that was let in, whose messages are read and forgotten.
func (f *foes) enter() net.Conn {
	c := f.enterDeaf().(*heard)
	f.tasks.Go(func() { _, _ = io.Copy(io.Discard, c.in) })
	return c
}

func (f *foes) enterWith(first []byte) func() net.Conn {
	return func() net.Conn {
		c := f.enter()
		f.say(c, string(first))
		return c
	}
}

// wantClose sends parts and reads on until the gateway closes with the code. It returns
// when everything was sent, or can not be.
func (f *foes) wantClose(c net.Conn, code uint16, parts ...[]byte) {
	var sending sync.WaitGroup
	defer sending.Wait()
	sending.Go(func() {
		for _, p := range parts {
			if _, err := c.Write(p); err != nil {
				return // it may close before it has read everything
			}
		}
	})
	for {
		kind, payload, err := next(c.(*heard).in)
		if err != nil {
			f.t.Errorf("the connection ended without a word: %v", err)
			return
		}
		if kind == opClose {
			if got := binary.BigEndian.Uint16(append(payload, 0, 0)); got != code {
				f.t.Errorf("closed with %d, want %d", got, code)
			}
			return
		}
	}
}

const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
	fin     = 0x80
)

// head is the head of a frame as clients send it; the mask is zero, so that the content
// goes over the wire as it is.
func head(first byte, n int) []byte {
	h := []byte{first}
	switch {
	case n < 126:
		h = append(h, 0x80|byte(n))
	case n < 1<<16:
		h = binary.BigEndian.AppendUint16(append(h, 0x80|126), uint16(n))
	default:
		h = binary.BigEndian.AppendUint64(append(h, 0x80|127), uint64(n))
	}
	return append(h, 0, 0, 0, 0)
}

func frame(message string) []byte { return append(head(opText|fin, len(message)), message...) }

// next reads one frame of the gateway.
func next(in *bufio.Reader) (kind byte, payload []byte, err error) {
	var h [2]byte
	if _, err := io.ReadFull(in, h[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(h[1])
	if long := map[uint64]int{126: 2, 127: 8}[n]; long > 0 {
		var size [8]byte
		if _, err := io.ReadFull(in, size[8-long:]); err != nil {
			return 0, nil, err
		}
		n = binary.BigEndian.Uint64(size[:])
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(in, payload)
	return h[0] &^ fin, payload, err
}
