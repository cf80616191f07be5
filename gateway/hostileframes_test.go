package gateway_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/coderclaw/coderclaw/gateway"
)

// TestHostileFrames: what a client that was let in may send, and what becomes of it. After
// each that does not end the connection, the next request is answered.
func TestHostileFrames(t *testing.T) {
	t.Parallel()
	r := start(t)
	params := func(p string) string {
		return `{"type":"req","id":"x","method":"logs.tail","params":` + p + `}`
	}
	const beyond = "invalid logs.tail params: at /limit: must be integer"
	for name, tc := range map[string]struct {
		frame  string
		binary bool
		answer string // "" for none, "ok" for success
		code   websocket.StatusCode
	}{
		"text that is not UTF-8":    {frame: params("{\"limit\":\"\xff\"}"), code: websocket.StatusInvalidFramePayloadData},
		"bytes that are not UTF-8":  {frame: params("{\"limit\":\"\xff\"}"), binary: true, answer: beyond},
		"100 000 levels of lists":   {frame: params(strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000))},
		"100 000 levels of objects": {frame: params(strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000))},
		"9 000 levels of lists":     {frame: params(strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000)), answer: "invalid logs.tail params: must be object"},
		"a number beyond floats":    {frame: params(`{"limit":1e999999999}`), answer: beyond},
		"a number of 100 kB":        {frame: params(`{"limit":` + strings.Repeat("9", 100_000) + `}`), answer: beyond},
		"a number beyond int64":     {frame: params(`{"limit":1e300}`), answer: beyond + "; at /limit: must be <= 5000"},
		"a key twice, last right":   {frame: params(`{"limit":"a","limit":1}`), answer: "ok"},
		"a key twice, last wrong":   {frame: params(`{"limit":1,"limit":"a"}`), answer: beyond},
		"the id twice":              {frame: `{"type":"req","id":"y","id":"x","method":"logs.tail"}`, answer: "ok"},
		"a method of 1 MiB":         {frame: `{"type":"req","id":"x","method":"` + strings.Repeat("m", 1<<20) + `"}`, answer: "unknown method: " + strings.Repeat("m", 256) + "…"},
		"a property of 1 MiB":       {frame: params(`{"` + strings.Repeat("m", 1<<20) + `":1}`), answer: "invalid logs.tail params: at root: unexpected property '" + strings.Repeat("m", 256-len("unexpected property '")) + "…"},
		"an id of 1 MiB":            {frame: strings.Replace(params(`{}`), `"x"`, `"`+strings.Repeat("x", 1<<20)+`"`, 1), answer: "ok"},
		"null":                      {frame: "null", answer: "invalid request frame: must be object"},
		"NUL":                       {frame: "\x00"},
		"nothing":                   {frame: ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := r.open(t, nil)
			if res := w.ask("1", "connect", newKey(t).sign(plain(), time.Now(), w.nonce)); !res.OK {
				t.Fatalf("refused: %+v", res.Error)
			}
			kind := websocket.MessageText
			if tc.binary {
				kind = websocket.MessageBinary
			}
			w.send(kind, tc.frame)
			if tc.code != 0 {
				if code, _, _ := w.closed(); code != tc.code {
					t.Errorf("closed with %d", code)
				}
				return
			}
			if tc.answer != "" {
				res := w.answer()
				got := "ok"
				if !res.OK {
					got = res.Error.Message
				}
				if got != tc.answer {
					t.Errorf("answered %.400s", got)
				}
			}
			if res := w.ask("2", "health", nil); !res.OK || res.ID != "2" {
				t.Errorf("then health: %+v", res)
			}
		})
	}
}

// TestHostileConnects: what a stranger may send in place of a connect.
func TestHostileConnects(t *testing.T) {
	t.Parallel()
	r := start(t)
	connect := func(params string) string {
		return `{"type":"req","id":"1","method":"connect","params":` + params + `}`
	}
	for name, tc := range map[string]struct {
		frame  string
		code   websocket.StatusCode
		reason string
	}{
		"a string of 1 MiB":       {connect(`{"locale":"` + strings.Repeat("x", 1<<20) + `"}`), 1009, ""},
		"10 000 keys":             {connect(`{"a":1` + keys(5_000) + `}`), 1008, "invalid connect params: must have required property 'minProtocol'"},
		"10 000 levels":           {connect(strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)), 1000, ""},
		"not UTF-8":               {connect("{\"locale\":\"\xff\"}"), 1007, "invalid UTF-8"},
		"a huge protocol":         {connect(`{"minProtocol":1e400,"maxProtocol":3}`), 1008, "invalid connect params: must have required property 'client'; at /minProtocol: must be i"}, // the close has room for no more
		"a long method":           {`{"type":"req","id":"1","method":"` + strings.Repeat("x", 60_000) + `"}`, 1008, "invalid handshake: first request must be connect"},
		"a frame of nothing":      {"", 1000, ""},
		"a list of 20 000 scopes": {connect(`{"scopes":[1` + strings.Repeat(",1", 20_000) + `]}`), 1008, "invalid connect params: must have required property"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := r.open(t, nil)
			_ = w.conn.Write(t.Context(), websocket.MessageText, []byte(tc.frame)) // it may be closed meanwhile
			code, reason, answer := w.closed()
			if code != tc.code || !strings.HasPrefix(reason, tc.reason) || tc.reason == "" && code != 1009 && reason != "" {
				t.Errorf("closed with %d %q", code, reason)
			}
			if answer != nil && len(answer.Message) > 8<<10 {
				t.Errorf("answered with %d bytes", len(answer.Message))
			}
		})
	}
}

func keys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"k%d":1`, i)
	}
	return b.String()
}

// TestNoConnect: who is connected and does not say who it is, in time, is closed without a word.
func TestNoConnect(t *testing.T) {
	t.Parallel()
	r := startWith(t, func(o *gateway.Options) { gateway.GreetFor(o, 10*time.Millisecond) })
	conn, _, err := websocket.Dial(t.Context(), r.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	w := &wire{t: t, conn: conn} // it may be too late for the challenge
	if code, reason, _ := w.closed(); code != websocket.StatusNormalClosure || reason != "" {
		t.Errorf("closed with %d %q", code, reason)
	}
}

// TestPanickingHandler: an HTTP request whose handler panics is answered, and the log has its stack.
func TestPanickingHandler(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	r := startWith(t, func(o *gateway.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	w := httptest.NewRecorder()
	r.gateway.Guard(func(http.ResponseWriter, *http.Request) { panic("ouch") })(w, httptest.NewRequest(http.MethodGet, "/x", nil))
	if w.Code != http.StatusInternalServerError || !strings.Contains(log.String(), "panic=ouch") || !strings.Contains(log.String(), "hostileframes_test.go") {
		t.Errorf("%d, logged %s", w.Code, &log)
	}
}
