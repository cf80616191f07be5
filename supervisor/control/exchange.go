package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
)

// exchange is one request and its answer, on a connection of their own. It starts no
// goroutine, so that a command that only asks once can do something else meanwhile:
// the answer waits in the socket.
type exchange struct {
	conn   net.Conn
	socket string
	req    *http.Request
	stop   func() bool  // the watch over the context
	ended  func() error // why the context has ended, nil while it has not
}

// begin sends a request. The connection is given up when ctx ends.
func (c *Client) begin(ctx context.Context, method, path string) (*exchange, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://supervisor"+path, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.socket)
	if err != nil {
		return nil, unanswered(c.socket, err)
	}
	x := &exchange{conn: conn, socket: c.socket, req: req, ended: ctx.Err}
	x.stop = context.AfterFunc(ctx, func() { _ = conn.Close() }) // nothing is written any more
	if err := req.Write(conn); err != nil {
		return nil, errors.Join(unanswered(c.socket, x.why(err)), x.Close())
	}
	return x, nil
}

// maxHead bounds the lines in front of an answer, in bytes.
const maxHead = 64 << 10

// answer waits for the answer. Its body gives the connection up when it is closed.
func (x *exchange) answer() (*http.Response, error) {
	head := &io.LimitedReader{R: x.conn, N: maxHead}
	res, err := http.ReadResponse(bufio.NewReader(head), x.req)
	if err != nil {
		_ = x.Close() // nothing was written any more
		return nil, unanswered(x.socket, x.why(err))
	}
	head.N = math.MaxInt64 // whoever reads the body bounds it
	res.Body = body{res.Body, x}
	return res, nil
}

// why is err, or what has caused it by ending the exchange.
func (x *exchange) why(err error) error {
	if ended := x.ended(); ended != nil {
		return ended
	}
	return err
}

// Close ends the exchange, answered or not.
func (x *exchange) Close() error {
	x.stop()
	if err := x.conn.Close(); !errors.Is(err, net.ErrClosed) { // by the end of the context
		return err
	}
	return nil
}

func unanswered(socket string, err error) error {
	return fmt.Errorf("the supervisor does not answer on %s: %w", socket, err)
}

// body is that of an answer.
type body struct {
	io.Reader
	exchange *exchange
}

func (b body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.exchange.why(err)
	}
	return n, err
}

func (b body) Close() error { return b.exchange.Close() }
