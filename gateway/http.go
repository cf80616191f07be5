package gateway

import (
	"encoding/json"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/door"
)

// routes is everything that the port answers. An upgrade request is a
// WebSocket whatever its path.
func (g *Gateway) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"ok": true, "status": "live"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		code := http.StatusOK
		if g.draining.Load() {
			code = http.StatusServiceUnavailable
		}
		answer(w, code, map[string]any{"ready": code == http.StatusOK, "instance": g.o.Instance})
	})
	if g.browsers.ui != nil {
		mux.Handle("/", g.browsers.ui)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		door.From(r).Answering()
		defer g.surviveRequest(w, r)
		if g.loopbackOnly && !auth.HostAllowed(r.Host, g.o.Config.Config.Gateway.ControlUI.AllowedOrigins) {
			http.Error(w, "this gateway answers only to names of this machine; add the origin to gateway.controlUi.allowedOrigins", http.StatusForbidden)
			return
		}
		if strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
			g.upgrade(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// surviveRequest answers a request whose handler panics, and has the log say where.
func (g *Gateway) surviveRequest(w http.ResponseWriter, r *http.Request) {
	if p := recover(); p != nil {
		g.o.Log.Error("answering a request panicked", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
		http.Error(w, "the gateway failed inside; see its log", http.StatusInternalServerError)
	}
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}
