package gateway

import (
	"bufio"
	"bytes"
	"net"
	"net/http"

	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// The buffers of a WebSocket, in bytes. They hold the requests that clients make all the
// time, and the answer to health; more passes by them in a call of its own. The two of
// 4 KiB that net/http would leave are a third of what an idle client takes.
const (
	readAhead   = 512
	writeBehind = 2 << 10
)

// slim gives away a connection with small buffers, and keeps its intake.
type slim struct {
	http.ResponseWriter
	line rpc.Line
	in   *rpc.Intake
}

// Hijack is for websocket.Accept.
func (s *slim) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(s.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	ahead, _ := rw.Reader.Peek(rw.Reader.Buffered()) // what the client has sent without waiting for an answer
	s.in = rpc.NewIntake(conn, s.line, bytes.Clone(ahead))
	return s.in, bufio.NewReadWriter(bufio.NewReaderSize(nil, readAhead), bufio.NewWriterSize(conn, writeBehind)), nil
}
