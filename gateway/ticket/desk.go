package ticket

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/coderclaw/coderclaw/internal/peercred"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// SocketName is that of the socket in a gateway's state dir on which it issues tickets.
const SocketName = "gateway.sock"

// Ticket is what the desk gives to a command of the same user.
type Ticket struct {
	Profile     string `json:"profile,omitempty"`
	Origin      string `json:"origin"`      // of the gateway, as in http://127.0.0.1:18789
	Home        string `json:"home"`        // URL of the Control UI
	URL         string `json:"url"`         // lets in who opens it first, until ExpiresAtMs; it is a secret
	ExpiresAtMs int64  `json:"expiresAtMs"` // ms since 1970
}

// Desk issues tickets over a unix socket to the user who runs the gateway, and to root.
type Desk struct {
	Office *Office
	Origin string                   // that tickets are good for; "" when no UI is served
	Home   string                   // URL of the UI
	Enter  func(text string) string // URL that carries a ticket
	Log    *slog.Logger
}

// Serve answers on l until ctx ends, and closes it.
func (d *Desk) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           d.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       5 * time.Second,
		MaxHeaderBytes:    8 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ConnContext:       withPeer,
		ErrorLog:          slog.NewLogLogger(d.Log.Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("socket of tickets: %w", err)
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := srv.Shutdown(bounded); err != nil {
		_ = srv.Close() // a client that does not take its answer
	}
	<-done
	return nil
}

func (d *Desk) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/tickets", d.issue)
	mux.HandleFunc("POST /v1/tickets/wait", d.wait)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := mayAsk(r.Context()); err != nil {
			reply(w, http.StatusForbidden, problem{err.Error()})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (d *Desk) issue(w http.ResponseWriter, _ *http.Request) {
	if d.Origin == "" {
		reply(w, http.StatusConflict, problem{"the Control UI of this gateway is off; gateway.controlUi.enabled switches it on"})
		return
	}
	text, expires := d.Office.Issue(d.Origin)
	d.Log.Info("a ticket for a browser was issued", "origin", d.Origin)
	reply(w, http.StatusCreated, Ticket{Profile: d.Office.profile, Origin: d.Origin, Home: d.Home, URL: d.Enter(text), ExpiresAtMs: expires.UnixMilli()})
}

// wait answers when a ticket, named by its URL, has been used or is too old.
func (d *Desk) wait(w http.ResponseWriter, r *http.Request) {
	var t Ticket
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&t); err != nil {
		reply(w, http.StatusBadRequest, problem{"not a ticket: " + err.Error()})
		return
	}
	used, left, ok := d.Office.watch(textOf(t.URL))
	if !ok {
		reply(w, http.StatusNotFound, problem{string(unknown)})
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	out := outcome{}
	select {
	case <-used:
		out.Used = true
	case <-timer.C:
	case <-r.Context().Done(): // the asker, or the gateway, goes
	}
	reply(w, http.StatusOK, out)
}

type outcome struct {
	Used bool `json:"used"`
}

type problem struct {
	Error string `json:"error"`
}

func reply(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

type peerKey struct{}

// peer is who is at the other end, and what it descended from when it connected.
type peer struct {
	peercred.Cred
	above []int
	err   error // why it cannot be told
}

func withPeer(ctx context.Context, c net.Conn) context.Context {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	cred, err := peercred.Of(u)
	return context.WithValue(ctx, peerKey{}, peer{cred, proctable.Ancestors(cred.PID), err})
}

// mayAsk lets in this user and root, but nothing that the gateway itself has started:
// an agent's tool is not to approve what the agent may do.
func mayAsk(ctx context.Context) error {
	p, ok := ctx.Value(peerKey{}).(peer)
	self := os.Getpid()
	switch {
	case p.err != nil:
		return p.err
	case !ok || int(p.UID) != os.Getuid() && p.UID != 0:
		return fmt.Errorf("this gateway gives tickets only to user %s", proctable.UserName(os.Getuid()))
	case len(p.above) == 0:
		return errors.New("whoever asked for a ticket had ended, or runs where this gateway cannot see it")
	case p.PID != self && slices.Contains(p.above, self):
		return fmt.Errorf("pid %d runs below the gateway and gets no ticket", p.PID)
	}
	return nil
}
