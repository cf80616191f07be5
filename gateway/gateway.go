// Package gateway owns the child's program: one server that answers WebSocket
// RPC and HTTP on the listeners it is given, from its start to an orderly end.
// Features plug into it; it binds no port, takes no lock and reads no flag.
package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coderclaw/coderclaw/gateway/approvals"
	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/door"
	"github.com/coderclaw/coderclaw/gateway/health"
	"github.com/coderclaw/coderclaw/gateway/heartbeat"
	"github.com/coderclaw/coderclaw/gateway/nodes"
	"github.com/coderclaw/coderclaw/gateway/presence"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rescue"
	"github.com/coderclaw/coderclaw/gateway/rpc"
	"github.com/coderclaw/coderclaw/gateway/tailscale"
	"github.com/coderclaw/coderclaw/internal/gather"
)

// ErrRestart, as the cause of the context of Serve, makes the end one that
// announces a successor.
var ErrRestart = errors.New("restart")

// Options is what a gateway must know. All of it is required but where the zero value
// is said to mean something.
type Options struct {
	Profile  string // "" for a gateway that no registry knows
	Instance string // random id of this start

	StateDir   string
	ConfigPath string
	LogDir     string

	Port       int
	Listeners  []net.Listener // owned by the gateway from New on
	Config     *config.Snapshot
	LoadConfig func() (*config.Snapshot, error) // reads the config anew
	Auth       auth.Settings

	Degraded string // why Config is not the one as written, "" if it is

	Version string
	Commit  string        // "" if it is not known
	Drain   time.Duration // how long the end waits for what runs
	Log     *slog.Logger
	TLS     *tls.Config // nil: the port is not encrypted
	Ready   func()      // called once clients are answered; may be nil

	Tailscale tailscale.CLI       // asked about users and to publish the port, where Config says so; its zero value is the usual program
	Isolation *protocol.Isolation // what the process has walled itself off with, told in health; nil: not known
	Local     net.Listener        // takes commands of the same user, and is owned by the gateway from New on; nil: there is no such socket
	Rescue    rescue.Supervisor   // that of a gateway that may see to others; nil for all others

	tellTimeout, handshakeTimeout, arrival time.Duration         // 0 for the constants; tests set others
	welcoming                              func(deviceID string) // called before a client is told that it is let in; only tests set it
}

// Gateway is one server. Serve is to be called once.
type Gateway struct {
	o            Options
	started      time.Time
	loopbackOnly bool

	mux      *rpc.Mux
	hub      *rpc.Hub
	devices  *auth.Devices
	gate     *auth.Gate
	presence *presence.Store
	health   *health.Feature
	nodes    *nodes.Feature
	beats    *heartbeat.Feature

	approvals *approvals.Decisions
	browsers  *browsers

	server   *http.Server
	draining atomic.Bool
	door     *door.Door
	sessions sync.WaitGroup // one for each WebSocket
	counts   chan int       // how many clients there are, for the pulse; holds the latest
	kinds    map[string]eventKind
	offer    protocol.Features
	connects rpc.Params[protocol.ConnectParams]
	asked    gather.Notes // summaries of health that somebody's question has made
	around   gather.Notes // changes of presence that everybody is to be told of
}

// New makes the gateway; it neither reads files nor answers anybody yet.
func New(o Options) (*Gateway, error) {
	if len(o.Listeners) == 0 {
		return nil, errors.New("a gateway needs a listener")
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("host name: %w", err)
	}
	o.tellTimeout = cmp.Or(o.tellTimeout, tellTimeout)
	o.handshakeTimeout = cmp.Or(o.handshakeTimeout, handshakeTimeout)
	o.arrival = cmp.Or(o.arrival, door.Arrival)
	g := &Gateway{
		o: o, started: time.Now(), loopbackOnly: onLoopback(o.Listeners),
		mux: &rpc.Mux{}, door: door.New(door.LimitsFor(door.Files()), o.Log), counts: make(chan int, 1),
		asked: gather.New(), around: gather.New(), connects: rpc.ParamsOf[protocol.ConnectParams](),
	}
	g.hub = rpc.NewHub(g.mux, o.Log)
	g.hub.OnCount(g.countChanged)
	g.hub.OnRefuse(remedies{o.Profile}.reason)
	g.gate = auth.NewGate(o.Auth, rotations(&g.o), o.Tailscale.Whois, time.Now, o.Log)
	g.plugIn(host)
	g.kinds, g.offer = kindsByName(o.Rescue != nil), g.features()
	g.browsers = newBrowsers(&g.o, g.gate.Mark)
	g.server = &http.Server{
		Handler:           g.routes(),
		ReadHeaderTimeout: handshakeTimeout,
		ReadTimeout:       requestTimeout,
		WriteTimeout:      requestTimeout,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ConnState:         g.door.State,
		ConnContext:       g.door.Remember,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	return g, nil
}

// onLoopback tells whether nobody but this machine can reach the listeners.
func onLoopback(listeners []net.Listener) bool {
	return !slices.ContainsFunc(listeners, func(l net.Listener) bool {
		a, ok := l.Addr().(*net.TCPAddr)
		return ok && !a.IP.IsLoopback()
	})
}

// Serve answers until ctx ends, then drains and returns nil. Everything that it
// started has ended by then.
func (g *Gateway) Serve(ctx context.Context) error {
	ours, stop := context.WithCancel(context.WithoutCancel(ctx)) // outlives ctx until everything is drained
	defer stop()
	g.server.BaseContext = func(net.Listener) context.Context { return ours }
	served := make(chan error, len(g.o.Listeners))
	for _, l := range g.o.Listeners {
		l = g.door.Listen(l)
		if g.o.TLS != nil {
			l = tls.NewListener(l, g.o.TLS)
		}
		go func() { served <- g.server.Serve(l) }()
	}
	var pulse sync.WaitGroup
	pulse.Go(func() { g.pulse(ours) })
	pulse.Go(func() { g.browsers.serveDesk(ctx, &g.o) })
	pulse.Go(func() { g.beats.Run(ours) })
	pulse.Go(func() { g.asked.Run(ours, askedDelay, g.tellHealth) })
	pulse.Go(func() { g.around.Run(ours, aroundDelay, g.tellPresence) })
	pulse.Go(func() { g.publish(ctx) })
	pulse.Go(func() { g.announce(ctx) }) // withdrawn before anything is drained
	if g.o.Ready != nil {
		g.o.Ready()
	}
	var failed error
	running := len(g.o.Listeners)
	select {
	case <-ctx.Done():
	case failed = <-served: // a listener broke: end in order all the same
		running--
	}
	g.drain(context.Cause(ctx), served, running)
	stop()
	pulse.Wait()
	if errors.Is(failed, net.ErrClosed) || errors.Is(failed, http.ErrServerClosed) {
		return nil
	}
	return failed
}
