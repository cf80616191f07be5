package gateway

import (
	"context"
	"crypto/rand"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/gateway/ticket"
	"github.com/coderclaw/coderclaw/gateway/webui"
)

// browsers is the gateway's side towards browsers: the pages, the tickets that open them
// without pairing, and the cookies that those are exchanged for.
type browsers struct {
	ui       *webui.UI // nil when no UI is served
	sessions *ticket.Sessions
	desk     *ticket.Desk
	local    net.Listener // of the desk, may be nil
}

// newBrowsers returns that of a gateway whose clients must know secret at the time.
func newBrowsers(o *Options, secret func() string) *browsers {
	cfg := o.Config.Config.Gateway.ControlUI
	office := ticket.NewOffice(o.Profile, time.Now)
	b := &browsers{local: o.Local}
	b.sessions = &ticket.Sessions{
		Key: sync.OnceValue(func() []byte {
			key, err := ticket.LoadKey(o.StateDir)
			if err != nil {
				o.Log.Warn("browsers have to sign in again after a restart", "err", err)
				key = []byte(rand.Text())
			}
			return key
		}),
		Secret: secret,
		Now:    time.Now,
		User:   ticket.UserOf,
	}
	b.desk = &ticket.Desk{Office: office, Log: o.Log}
	if cfg.Enabled != nil && !*cfg.Enabled {
		return b
	}
	b.desk.Origin = originOf(o)
	b.desk.Home = b.desk.Origin + webui.Home(cfg.BasePath)
	b.desk.Enter = func(text string) string { return webui.EntranceURL(b.desk.Origin, cfg.BasePath, text) }
	entrance := &ticket.Entrance{Office: office, Sessions: b.sessions, Log: o.Log}
	b.ui = webui.New(webui.Options{
		BasePath: cfg.BasePath, Root: cfg.Root, Profile: o.Profile, Command: strings.TrimSpace("coderclaw open " + o.Profile), Enter: entrance.Enter,
	})
	return b
}

// originOf is that of the pages that a browser on this machine gets from the gateway:
// loopback where it can be, for pages of other addresses may do less.
func originOf(o *Options) string {
	scheme, standard := "http", 80
	if o.TLS != nil {
		scheme, standard = "https", 443
	}
	var at *net.TCPAddr
	for _, l := range o.Listeners {
		a, ok := l.Addr().(*net.TCPAddr)
		if ok && (at == nil || a.IP.IsLoopback() && !at.IP.IsLoopback()) {
			at = a
		}
	}
	if at == nil {
		return ""
	}
	host := at.IP.String()
	if at.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	whole := net.JoinHostPort(host, strconv.Itoa(at.Port))
	if at.Port == standard { // a browser leaves it out
		whole = strings.TrimSuffix(whole, ":"+strconv.Itoa(standard))
	}
	return scheme + "://" + whole
}

// serveDesk issues tickets until ctx ends.
func (b *browsers) serveDesk(ctx context.Context, o *Options) {
	if b.local == nil {
		return
	}
	if err := b.desk.Serve(ctx, b.local); err != nil {
		o.Log.Error("no browser can be let in any more", "err", err)
	}
}
