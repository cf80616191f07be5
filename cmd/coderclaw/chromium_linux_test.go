package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"

	"github.com/coderclaw/coderclaw/internal/programtest"
)

// chromium is a real browser with one page, which a test asks about over the DevTools protocol.
type chromium struct {
	*testing.T
	bin  string // directory with an xdg-open that starts it with the file or address that it is given
	data string
	conn *websocket.Conn
	last int
}

// newChromium prepares one that has not started yet. It leaves nothing behind.
func newChromium(t *testing.T) *chromium {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("there is no chromium here")
	}
	b := &chromium{T: t, bin: t.TempDir(), data: t.TempDir()}
	script := fmt.Sprintf("#!/bin/sh\necho $$ >%[1]s/pid\nexec %[2]s --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run "+
		"--disable-background-networking --user-data-dir=%[1]s/data --remote-debugging-port=0 \"$1\" >%[1]s/log 2>&1\n", b.data, program)
	programtest.Write(t, filepath.Join(b.bin, "xdg-open"), []byte(script))
	t.Cleanup(b.end)
	return b
}

func (b *chromium) end() {
	if b.conn != nil {
		_ = b.conn.CloseNow()
	}
	raw, err := os.ReadFile(filepath.Join(b.data, "pid"))
	if err != nil {
		return // it never started
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		b.Error(err)
		return
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL) // it leads a session of its own
	host{b.T, ""}.until("the browser is gone", func() bool { return syscall.Kill(-pid, 0) != nil })
}

// attach waits until the browser runs and takes hold of its page.
func (b *chromium) attach() {
	b.Helper()
	var page string
	host{b.T, ""}.until("the browser shows a page", func() bool {
		raw, err := os.ReadFile(filepath.Join(b.data, "data", "DevToolsActivePort"))
		if err != nil {
			return false
		}
		port, _, _ := strings.Cut(string(raw), "\n")
		res, err := http.Get("http://127.0.0.1:" + port + "/json/list")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		var list []struct{ Type, WebSocketDebuggerURL string }
		if json.NewDecoder(res.Body).Decode(&list) != nil {
			return false
		}
		for _, target := range list {
			if target.Type == "page" {
				page = target.WebSocketDebuggerURL
			}
		}
		return page != ""
	})
	conn, _, err := websocket.Dial(b.Context(), page, nil)
	if err != nil {
		b.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	b.conn = conn
}

// call makes one request of the DevTools protocol.
func (b *chromium) call(method string, params map[string]any) (json.RawMessage, error) {
	b.last++
	if err := wsjson.Write(b.Context(), b.conn, map[string]any{"id": b.last, "method": method, "params": params}); err != nil {
		return nil, err
	}
	for {
		var answer struct {
			ID     int
			Result json.RawMessage
			Error  *struct{ Message string }
		}
		if err := wsjson.Read(b.Context(), b.conn, &answer); err != nil {
			return nil, err
		}
		if answer.ID != b.last {
			continue
		}
		if answer.Error != nil {
			return nil, fmt.Errorf("%s: %s", method, answer.Error.Message)
		}
		return answer.Result, nil
	}
}

// text is what a JavaScript expression gives, as text; "" while the page changes.
func (b *chromium) text(expression string) string {
	b.Helper()
	raw, err := b.call("Runtime.evaluate", map[string]any{"expression": "String(" + expression + ")", "awaitPromise": true, "returnByValue": true})
	if err != nil {
		if b.Context().Err() != nil || context.Cause(b.Context()) != nil {
			b.Fatal(err)
		}
		return ""
	}
	var got struct{ Result struct{ Value string } }
	if err := json.Unmarshal(raw, &got); err != nil {
		b.Fatal(err)
	}
	return got.Result.Value
}

// await waits until the expression gives a text that has want in it.
func (b *chromium) await(expression, want string) {
	b.Helper()
	var got string
	defer func() {
		if b.Failed() {
			b.Logf("%s: %q at %s:\n%s", expression, got, b.text("location.href"), b.text("document.documentElement.outerHTML"))
		}
	}()
	host{b.T, ""}.until(expression+" shows "+want, func() bool {
		got = b.text(expression)
		return strings.Contains(got, want)
	})
}

func (b *chromium) visit(url string) {
	b.Helper()
	if _, err := b.call("Page.navigate", map[string]any{"url": "about:blank"}); err != nil { // else another fragment is no visit
		b.Fatal(err)
	}
	if _, err := b.call("Page.navigate", map[string]any{"url": url}); err != nil {
		b.Fatal(err)
	}
}
