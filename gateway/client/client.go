// Package client owns the client's side of the gateway's WebSocket protocol, for the
// command line, the node host, probes and tests: the connection, how it is made again, and
// the identity that a device keeps. It prints nothing.
package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/google/uuid"

	"github.com/coderclaw/coderclaw/gateway/certificate"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// Options says whom to connect to, and as what.
type Options struct {
	URL             string // ws:// or wss://
	Token, Password string
	Fingerprint     string    // of the certificate to insist on, for a wss:// URL only, see package certificate; "": one that this machine trusts
	Identity        *Identity // nil: without a device
	ClientID, Mode  string    // "" means "cli"
	DisplayName     string
	// Foreign says that the gateway is not the one in whose state dir the identity
	// lies: the tokens that are kept there are neither shown to it nor replaced by its.
	Foreign       bool
	Version, Role string // Role "" means operator
	Scopes        []string
	InstanceID    string              // "" for a random one
	Node          *protocol.NodeOffer // what a client in the role node can do
	Timeout       time.Duration       // of the handshake; 0 means 10 s
	// Dial makes the connection instead of the network, for a URL that is reached through
	// something else; nil for the network.
	Dial    func(context.Context) (net.Conn, error)
	OnEvent func(protocol.Event) // called in order, from one goroutine; it must not call the client
}

// Client is one connection. Its methods are safe for concurrent use.
type Client struct {
	conn  *websocket.Conn
	hello protocol.Hello
	as    string        // the device
	done  chan struct{} // closed when the connection has ended and err is set

	mu      sync.Mutex // guards what follows
	waiting map[string]chan protocol.Response
	next    int
	err     error
	closed  bool // by Close
}

// noCloseFrame is the code of a connection that broke, which no frame carries (RFC 6455, 7.4.1).
const noCloseFrame = 1006

// CloseError says that the gateway closed the connection.
type CloseError struct {
	Code   int
	Reason string
}

func (e *CloseError) Error() string {
	note := ""
	switch e.Code {
	case protocol.CloseNormal:
		note = " normal closure"
	case noCloseFrame:
		note = " abnormal closure (no close frame)"
	}
	reason := e.Reason
	if reason == "" {
		reason = "no close reason"
	}
	return "gateway closed (" + strconv.Itoa(e.Code) + note + "): " + reason
}

// RefusedError says that the gateway answered, and did not let the client in.
type RefusedError struct {
	Err  *protocol.Error
	Code int // of the close that follows
}

func (e *RefusedError) Error() string {
	return "gateway closed (" + strconv.Itoa(e.Code) + "): " + e.Err.Message
}
func (e *RefusedError) Unwrap() error { return e.Err }

const defaultTimeout = 10 * time.Second

// Dial connects and introduces itself. The error is a *RefusedError when the
// gateway does not want the client.
func Dial(ctx context.Context, o Options) (*Client, error) {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	encrypted := len(o.URL) > 4 && strings.EqualFold(o.URL[:4], "wss:")
	if o.Fingerprint != "" && !encrypted {
		return nil, fmt.Errorf("gateway at %s: a certificate is insisted on, and this address is not encrypted; write wss:// in place of ws://", o.shown())
	}
	dial := &websocket.DialOptions{CompressionMode: websocket.CompressionDisabled, HTTPHeader: http.Header{}}
	if encrypted || o.Dial != nil {
		transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: certificate.Client(o.Fingerprint)}
		if o.Dial != nil {
			transport.Proxy = nil
			transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) { return o.Dial(ctx) }
		}
		defer transport.CloseIdleConnections()
		dial.HTTPClient = &http.Client{Transport: transport}
	}
	conn, _, err := websocket.Dial(ctx, o.URL, dial)
	if err != nil {
		return nil, fmt.Errorf("gateway at %s: %w", o.shown(), shorten(err))
	}
	conn.SetReadLimit(protocol.MaxPayload)
	c := &Client{conn: conn, done: make(chan struct{}), waiting: map[string]chan protocol.Response{}}
	if err := c.handshake(ctx, &o); err != nil {
		_ = conn.CloseNow() // whatever it says, the handshake's error is the one that matters
		return nil, err
	}
	go c.read(o.OnEvent)
	return c, nil
}

// DeviceID is the device as which the client is connected, "" without one.
func (c *Client) DeviceID() string { return c.as }

// shown is the URL without a password that it may hold.
func (o *Options) shown() string {
	if u, err := url.Parse(o.URL); err == nil {
		return u.Redacted()
	}
	return o.URL
}

// shorten takes the libraries' own words off a failed dial.
func shorten(err error) error {
	if inner, ok := errors.AsType[*url.Error](err); ok { // it repeats the address as http
		return inner.Err
	}
	if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "failed to WebSocket dial") {
		return inner
	}
	return err
}

func (c *Client) handshake(ctx context.Context, o *Options) error {
	var challenge protocol.Challenge
	var ev protocol.Event
	if err := c.readFrame(ctx, &ev); err != nil {
		return err
	}
	if ev.Event != "connect.challenge" || json.Unmarshal(ev.Payload, &challenge) != nil {
		return fmt.Errorf("%s is no gateway: it did not begin with connect.challenge", o.shown())
	}
	if o.Identity != nil {
		o.Identity.keep()
		c.as = o.Identity.ID()
	}
	params := connectParams(o, challenge.Nonce, time.Now())
	raw, err := json.Marshal(params)
	if err != nil {
		return err
	}
	const id = "connect"
	if err := c.writeFrame(ctx, protocol.Request{Type: protocol.TypeRequest, ID: id, Method: "connect", Params: raw}); err != nil {
		return err
	}
	var res protocol.Response
	for res.ID != id {
		if err := c.readFrame(ctx, &res); err != nil {
			return err
		}
	}
	if !res.OK {
		return c.refused(ctx, o, params.Role, res.Error)
	}
	if err := json.Unmarshal(res.Payload, &c.hello); err != nil {
		return fmt.Errorf("hello of %s: %w", o.shown(), err)
	}
	if o.Identity != nil && !o.Foreign {
		o.Identity.remember(c.hello.Auth)
	}
	return nil
}

// refused reads the close that follows a refusal.
func (c *Client) refused(ctx context.Context, o *Options, role string, e *protocol.Error) error {
	if e == nil {
		e = &protocol.Error{Code: protocol.CodeUnavailable, Message: "no reason given"}
	}
	refused := &RefusedError{Err: e, Code: protocol.ClosePolicy}
	if closed, ok := errors.AsType[*CloseError](c.readFrame(ctx, &protocol.Event{})); ok {
		refused.Code = closed.Code
	}
	if o.Identity != nil && !o.Foreign && strings.Contains(strings.ToLower(e.Message), "device token mismatch") {
		o.Identity.forget(role)
	}
	return refused
}

func connectParams(o *Options, nonce string, now time.Time) protocol.ConnectParams {
	p := protocol.ConnectParams{
		MinProtocol: protocol.Version, MaxProtocol: protocol.Version,
		Client: protocol.ClientInfo{ID: cmp.Or(o.ClientID, "cli"), DisplayName: o.DisplayName, Version: cmp.Or(o.Version, "dev"),
			Platform: runtime.GOOS, Mode: cmp.Or(o.Mode, "cli"), InstanceID: cmp.Or(o.InstanceID, uuid.NewString())},
		Role: cmp.Or(o.Role, protocol.RoleOperator), Scopes: o.Scopes,
	}
	if n := o.Node; n != nil {
		p.Caps, p.Commands, p.Permissions, p.PathEnv = n.Caps, n.Commands, n.Permissions, n.PathEnv
	}
	token := o.Token
	if token == "" && o.Password == "" && o.Identity != nil && !o.Foreign {
		token = o.Identity.tokens[p.Role].Token
	}
	if token != "" || o.Password != "" {
		p.Auth = &protocol.ConnectAuth{Token: token, Password: o.Password}
	}
	if id := o.Identity; id != nil {
		at := now.UnixMilli()
		payload := protocol.DevicePayload(id.id, p.Client.ID, p.Client.Mode, p.Role, p.Scopes, at, token, nonce)
		p.Device = &protocol.Device{ID: id.id, PublicKey: protocol.FormatPublicKey(id.public()),
			Signature: protocol.Sign(id.key, payload), SignedAt: at, Nonce: nonce}
	}
	return p
}

func (c *Client) readFrame(ctx context.Context, into any) error {
	_, raw, err := c.conn.Read(ctx)
	if err != nil {
		return closeError(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("frame of the gateway: %w", err)
	}
	return nil
}

func (c *Client) writeFrame(ctx context.Context, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := c.conn.Write(ctx, websocket.MessageText, raw); err != nil {
		return closeError(err)
	}
	return nil
}

// closeError makes a broken read or write a *CloseError, unless the caller gave up.
func closeError(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if e, ok := errors.AsType[websocket.CloseError](err); ok {
		return &CloseError{Code: int(e.Code), Reason: e.Reason}
	}
	return &CloseError{Code: noCloseFrame}
}

// Hello is what the gateway said when it let the client in.
func (c *Client) Hello() protocol.Hello { return c.hello }

// Done is closed when the connection has ended.
func (c *Client) Done() <-chan struct{} { return c.done }

// read hands out answers and events until the connection ends.
func (c *Client) read(onEvent func(protocol.Event)) {
	for {
		var frame struct {
			protocol.Response
			Event        string                 `json:"event"`
			Seq          *int64                 `json:"seq"`
			StateVersion *protocol.StateVersion `json:"stateVersion"`
		}
		if err := c.readFrame(context.Background(), &frame); err != nil {
			c.end(err)
			return
		}
		switch frame.Type {
		case protocol.TypeResponse:
			c.deliver(frame.Response)
		case protocol.TypeEvent:
			if onEvent != nil {
				onEvent(protocol.Event{Type: frame.Type, Event: frame.Event, Payload: frame.Payload, Seq: frame.Seq, StateVersion: frame.StateVersion})
			}
		}
	}
}

func (c *Client) deliver(res protocol.Response) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch, ok := c.waiting[res.ID]; ok {
		delete(c.waiting, res.ID)
		ch <- res // it has room for the one answer
	}
}

func (c *Client) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	close(c.done)
}

// Call makes a request and decodes its result. The error is a *protocol.Error
// when the gateway refused it. A ctx that ends gives up on the answer and
// leaves the connection as it is.
func (c *Client) Call(ctx context.Context, method string, params, result any) error {
	raw, err := json.Marshal(params)
	if err != nil {
		return fmt.Errorf("%s params: %w", method, err)
	}
	answer := make(chan protocol.Response, 1)
	c.mu.Lock()
	c.next++
	id := strconv.Itoa(c.next)
	c.waiting[id] = answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.waiting, id)
		c.mu.Unlock()
	}()
	// The library closes a connection whose write is given up, so the write has no deadline of the caller's.
	if err := c.writeFrame(context.WithoutCancel(ctx), protocol.Request{Type: protocol.TypeRequest, ID: id, Method: method, Params: raw}); err != nil {
		return c.ended() // a write fails only when the connection has ended, and the reader knows how
	}
	var gaveUp error
	select {
	case res := <-answer:
		return outcome(method, res, result)
	case <-ctx.Done():
		gaveUp = ctx.Err()
	case <-c.done:
	}
	select {
	case res := <-answer: // it came just before
		return outcome(method, res, result)
	default:
	}
	if gaveUp != nil {
		return gaveUp
	}
	return c.ended()
}

// outcome is what a caller gets of an answer.
func outcome(method string, res protocol.Response, result any) error {
	if !res.OK {
		if res.Error == nil {
			return &protocol.Error{Code: protocol.CodeUnavailable, Message: method + " failed without a reason"}
		}
		return res.Error
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(res.Payload, result); err != nil {
		return fmt.Errorf("result of %s: %w", method, err)
	}
	return nil
}

// ended waits for the end of the connection and says how it came.
func (c *Client) ended() error {
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Close ends the connection and waits for what reads it.
func (c *Client) Close() error {
	c.mu.Lock()
	again := c.closed
	c.closed = true
	c.mu.Unlock()
	if !again {
		_ = c.conn.Close(websocket.StatusNormalClosure, "") // the gateway may have closed it first
	}
	<-c.done
	return nil
}
