package supervisor

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/internal/proctable"
)

const (
	// metricsRetry is how often a metrics port that somebody else holds is tried.
	metricsRetry = 5 * time.Second
	// metricsClients bounds the connections to the metrics port: every user of this
	// machine can make some, and the descriptors of this process are for gateways.
	metricsClients = 16
)

// serveMetricsPort shows the metrics on their port until ctx ends. A port that is
// held is waited for: gateways matter more than being watched.
func (s *Supervisor) serveMetricsPort(ctx context.Context) {
	if s.o.MetricsPort == 0 {
		return
	}
	addr := netip.AddrPortFrom(localhost(), uint16(s.o.MetricsPort))
	retry := time.NewTicker(s.o.MetricsRetry)
	defer retry.Stop()
	var said string
	var by holder
	for {
		var lc net.ListenConfig
		lc.SetMultipathTCP(false) // the process table cannot tell who holds such a socket
		l, err := lc.Listen(ctx, "tcp4", addr.String())
		if err == nil {
			s.o.Log.Info("metrics", "url", "http://"+addr.String()+"/metrics")
			said, err = "", s.serveMetrics(ctx, newLimited(l, metricsClients))
		}
		if ctx.Err() != nil {
			return
		}
		reason := err.Error()
		if errors.Is(err, errInUse) {
			// A supervisor of another profile may hold it for months: who it is takes a look at every process.
			if said == "" || by.pid != 0 && !proctable.Alive(by.pid, by.start) {
				by = findHolder(addr)
			}
			reason = "it is held by " + by.words
		}
		if reason != said {
			said = reason
			s.o.Log.Warn("the metrics port cannot be had; it is tried again", "port", addr.Port(), "every", s.o.MetricsRetry, "reason", reason)
		}
		select {
		case <-ctx.Done():
			return
		case <-retry.C:
		}
	}
}

// serveMetrics serves one listener until ctx ends, and says what ended it before.
func (s *Supervisor) serveMetrics(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           s.metricsRoutes(),
		ReadHeaderTimeout: 5 * time.Second,
		WriteTimeout:      answerTime,
		IdleTimeout:       2 * time.Minute, // above what lies between two scrapes
		MaxHeaderBytes:    8 << 10,
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return errors.Join(err, srv.Close())
	case <-ctx.Done():
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := srv.Shutdown(bounded); err != nil {
		_ = srv.Close() // a client that does not take its answer
	}
	return <-done
}

// metricsRoutes answers whoever asks on this machine. A web page of a foreign
// site whose name was made to lead here is refused by the name.
func (s *Supervisor) metricsRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", s.metrics)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocalHost(r.Host) {
			http.Error(w, "this is 127.0.0.1 and has no other name but localhost", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// isLocalHost tells whether the Host header names this machine and not a site. Any
// port will do: the one that the client knows may be forwarded to ours.
func isLocalHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return host == "127.0.0.1" || strings.EqualFold(host, "localhost")
}

// limited is a listener whose connections are bounded in number: the next one is
// accepted when another is closed, or the listener is.
type limited struct {
	net.Listener
	free   chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newLimited(l net.Listener, n int) *limited {
	return &limited{Listener: l, free: make(chan struct{}, n), closed: make(chan struct{})}
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.free <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &limitedConn{Conn: c, done: sync.OnceFunc(func() { <-l.free })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	done func()
}

func (c *limitedConn) Close() error {
	defer c.done()
	return c.Conn.Close()
}
