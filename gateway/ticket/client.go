package ticket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/coderclaw/coderclaw/internal/localsocket"
)

// textOf is the ticket in a URL.
func textOf(url string) string {
	_, text, _ := strings.Cut(url, "#")
	return text
}

// Client asks the desk of the gateway with a state dir. It keeps no connection open and is
// safe for concurrent use.
type Client struct{ http *http.Client }

// NewClient returns a client of the gateway with this state dir.
func NewClient(stateDir string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return localsocket.Dial(ctx, stateDir, SocketName)
	}
	return &Client{&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Issue gets a ticket. The error wraps that of the connection when there is no desk.
func (c *Client) Issue(ctx context.Context) (Ticket, error) {
	var t Ticket
	err := c.post(ctx, "/v1/tickets", struct{}{}, &t)
	return t, err
}

// Wait returns when the ticket has been used, or is too old.
func (c *Client) Wait(ctx context.Context, t Ticket) (used bool, err error) {
	var out outcome
	err = c.post(ctx, "/v1/tickets/wait", t, &out)
	return out.Used, err
}

func (c *Client) post(ctx context.Context, path string, params, result any) error {
	body, err := json.Marshal(params)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gateway"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		var p problem
		if json.Unmarshal(raw, &p) != nil || p.Error == "" {
			return fmt.Errorf("the gateway answered %s", res.Status)
		}
		return errors.New(p.Error)
	}
	return json.Unmarshal(raw, result)
}
