//go:build linux

package rpcbench

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/cmd/bench/launch"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// server is what is called: the gateway or the echo.
type server struct {
	*launch.Process
	echo bool
	http *http.Client

	greetings sync.Pool // of *[]byte: a hello may be large, and is read once for each client
}

func newServer(p *launch.Process, echo bool) *server {
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		// Without a lingering socket for each of the thousands that come and go.
		return c, c.(*net.TCPConn).SetLinger(0)
	}
	return &server{Process: p, echo: echo, http: &http.Client{Transport: &http.Transport{DialContext: dial, ReadBufferSize: 1 << 10, WriteBufferSize: 1 << 10}},
		greetings: sync.Pool{New: func() any { return new([]byte) }}}
}

// who is what a client says of itself.
type who struct {
	key      ed25519.PrivateKey // of its device; nil: it has none, and so no scope
	mode     string
	instance string
}

// peer is one connection. Its reads are for one goroutine.
type peer struct {
	conn *websocket.Conn
	buf  []byte
	next int
}

// open connects and returns once the server has let the client in. The echo lets in
// who gets a connect request back.
func (s *server) open(ctx context.Context, w who) (*peer, error) {
	conn, _, err := websocket.Dial(ctx, s.URL, &websocket.DialOptions{HTTPClient: s.http, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(protocol.MaxPayload)
	p := &peer{conn: conn}
	large := s.greetings.Get().(*[]byte)
	defer s.greetings.Put(large)
	p.buf = *large
	err = p.greet(s.echo, w)
	*large, p.buf = p.buf, nil
	if err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *peer) close() { _ = p.conn.CloseNow() } // the server may be gone

func (p *peer) greet(echo bool, w who) error {
	nonce := "0198c6a2-0000-7000-8000-000000000000"
	if !echo {
		raw, err := p.read()
		if err != nil {
			return err
		}
		var ev struct{ Payload protocol.Challenge }
		if err := json.Unmarshal(raw, &ev); err != nil {
			return err
		}
		nonce = ev.Payload.Nonce
	}
	request, err := connect(w, nonce)
	if err != nil {
		return err
	}
	if err := p.write(request); err != nil {
		return err
	}
	raw, err := p.read()
	if err == nil && !echo && !bytes.Contains(raw, []byte(`"ok":true`)) {
		err = fmt.Errorf("the gateway answered %s", raw)
	}
	return err
}

// connect is the request that introduces a client.
func connect(w who, nonce string) ([]byte, error) {
	c := protocol.ConnectParams{MinProtocol: protocol.Version, MaxProtocol: protocol.Version, Role: protocol.RoleOperator,
		Client: protocol.ClientInfo{ID: "test", Version: "1", Platform: runtime.GOOS, Mode: w.mode, InstanceID: w.instance},
		Auth:   &protocol.ConnectAuth{Token: launch.Token}}
	if w.key != nil {
		public := w.key.Public().(ed25519.PublicKey)
		c.Scopes = []string{"operator.admin", "operator.approvals"}
		d := &protocol.Device{ID: protocol.DeviceID(public), PublicKey: protocol.FormatPublicKey(public), SignedAt: time.Now().UnixMilli(), Nonce: nonce}
		d.Signature = protocol.Sign(w.key, protocol.DevicePayload(d.ID, c.Client.ID, c.Client.Mode, c.Role, c.Scopes, d.SignedAt, launch.Token, nonce))
		c.Device = d
	}
	params, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	return json.Marshal(protocol.Request{Type: protocol.TypeRequest, ID: "c", Method: "connect", Params: params})
}

func (p *peer) write(msg []byte) error {
	return p.conn.Write(context.Background(), websocket.MessageText, msg)
}

// read returns the next message, which is good until the next read.
func (p *peer) read() ([]byte, error) {
	_, r, err := p.conn.Reader(context.Background())
	if err != nil {
		return nil, err
	}
	b := p.buf[:0]
	for {
		if len(b) == cap(b) {
			b = slices.Grow(b, max(len(b), 512))
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err != nil {
			p.buf = b
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return b, err
		}
	}
}

// call makes a request and waits for its answer; events that come before it are dropped.
func (p *peer) call(method, params string) error {
	p.next++
	id := strconv.Itoa(p.next)
	if err := p.write([]byte(`{"type":"req","id":"` + id + `","method":"` + method + `","params":` + params + `}`)); err != nil {
		return err
	}
	answer := []byte(`"id":"` + id + `"`)
	for {
		raw, err := p.read()
		if err != nil {
			return err
		}
		head := raw[:min(len(raw), 64)]
		switch {
		case bytes.HasPrefix(head, []byte(`{"type":"event"`)):
		case !bytes.Contains(head, answer):
			return fmt.Errorf("an answer to something else: %s", raw)
		case bytes.Contains(head, []byte(`"ok":false`)):
			return fmt.Errorf("refused: %s", raw)
		default:
			return nil
		}
	}
}

// openAll opens n clients, as many at once as there are workers. They are put into
// keep, or closed at once where that is nil.
func (s *server) openAll(ctx context.Context, n int, as func(int) who, keep []*peer) error {
	const workers = 32
	var next atomic.Int64
	errs := make(chan error, workers)
	for range workers {
		go func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || ctx.Err() != nil {
					errs <- ctx.Err()
					return
				}
				p, err := s.open(ctx, as(i))
				if err != nil {
					next.Add(int64(n)) // no more
					errs <- fmt.Errorf("client %d: %w", i, err)
					return
				}
				if keep == nil {
					p.close()
					continue
				}
				keep[i] = p
			}
		}()
	}
	var all []error
	for range workers {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

func closeAll(peers []*peer) {
	for _, p := range peers {
		if p != nil {
			p.close()
		}
	}
}

// named is the client without a device that has a place of its own in the list of those present.
func named(i int) who {
	return who{mode: "backend", instance: "bench-" + strings.Repeat("0", 24) + strconv.Itoa(i)}
}
