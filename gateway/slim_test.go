package gateway

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway/door"
)

// TestSlim: nothing is lost of what a client sends along with its upgrade request,
// whether it fits into the small buffer or not.
func TestSlim(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, readAhead - 8, readAhead, 3000, 20_000} {
		got := make(chan []byte, 1)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, err := websocket.Accept(&slim{ResponseWriter: w, line: (&door.Conn{})}, r, nil)
			if err != nil {
				t.Error(err)
				close(got)
				return
			}
			_, msg, err := conn.Read(t.Context())
			if err != nil {
				t.Errorf("%d bytes: %v", size, err)
			}
			got <- msg
			_ = conn.CloseNow() // the client may be gone
		}))
		defer srv.Close()
		c, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		msg := bytes.Repeat([]byte("x"), size)
		text := []byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n")
		text = append(text, 0x81, 0x80|126) // a whole text frame, masked with zeros
		text = binary.BigEndian.AppendUint16(text, uint16(size))
		text = append(append(text, 0, 0, 0, 0), msg...)
		if _, err := c.Write(text); err != nil {
			t.Fatal(err)
		}
		if m := <-got; !bytes.Equal(m, msg) {
			t.Errorf("%d bytes sent, %d came", size, len(m))
		}
	}
}
