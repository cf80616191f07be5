package supervisor

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
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/peercred"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// serveControl answers on the control socket until ctx ends and every answer is out.
func (s *Supervisor) serveControl(ctx context.Context, l net.Listener) {
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWatching()
	srv := &http.Server{
		Handler:           s.routes(watching),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    8 << 10,
		ConnContext:       withPeer,
		ConnState:         s.traffic.saw,
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	<-ctx.Done()
	stopWatching()
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := srv.Shutdown(bounded); err != nil {
		_ = srv.Close() // a client that does not take its answer
	}
	<-done
}

type peerKey struct{}

// withPeer notes who is at the other end, an error if that cannot be told.
func withPeer(ctx context.Context, c net.Conn) context.Context {
	unix, ok := c.(*net.UnixConn)
	if !ok {
		return ctx
	}
	cred, err := peercred.Of(unix)
	if err != nil {
		return ctx
	}
	return context.WithValue(ctx, peerKey{}, cred)
}

// answerTime is how long a client may take to read what it is sent.
const answerTime = 10 * time.Second

// mayControl tells whether the peer is this user, or root.
func mayControl(r *http.Request) bool {
	cred, ok := r.Context().Value(peerKey{}).(peercred.Cred)
	return ok && (int(cred.UID) == os.Getuid() || cred.UID == 0)
}

// mayChange tells whether the peer may change the profile: a process that runs
// below an instance only that instance's, and "" stands for all of them.
func (s *Supervisor) mayChange(r *http.Request, profile string) error {
	cred, _ := r.Context().Value(peerKey{}).(peercred.Cred)
	for _, u := range slices.Concat(s.units, s.gone) {
		pid := u.instance.Snapshot().PID
		if pid != 0 && u.profile.Name != profile && proctable.IsDescendant(cred.PID, pid) {
			return fmt.Errorf("pid %d runs below the gateway of profile %s and may change only that", cred.PID, u.profile.Name)
		}
	}
	return nil
}

func (s *Supervisor) routes(watching context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, s.status()) })
	mux.HandleFunc("GET /v1/watch", func(w http.ResponseWriter, r *http.Request) { s.watch(watching, w, r) })
	mux.HandleFunc("POST /v1/shutdown", func(w http.ResponseWriter, r *http.Request) {
		if err := s.mayChange(r, ""); err != nil {
			refuse(w, http.StatusForbidden, exitcode.Failed, err)
			return
		}
		reply(w, http.StatusAccepted, control.Result{OK: true})
		s.Stop()
	})
	mux.HandleFunc("POST /v1/reexec", s.serveReexec)
	mux.HandleFunc("POST /v1/profiles/{profile}/{verb}", s.verb)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !mayControl(r) {
			refuse(w, http.StatusForbidden, exitcode.Failed, fmt.Errorf("this supervisor answers only to %s", me()))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func refuse(w http.ResponseWriter, status int, code exitcode.Code, err error) {
	reply(w, status, control.Result{Error: err.Error(), Code: int(code)})
}

func reply(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime)) // our own server can
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the client may be gone
}

// watch streams the status, a line each change.
func (s *Supervisor) watch(watching context.Context, w http.ResponseWriter, r *http.Request) {
	defer s.traffic.leaveOut()() // a watcher that is cut off comes back
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(watching, cancel)()
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	flush := http.NewResponseController(w)
	_ = s.board.watch(ctx, func(st control.Status) error { // ends when either side goes
		return errors.Join(flush.SetWriteDeadline(time.Now().Add(answerTime)), enc.Encode(st), flush.Flush())
	})
}

// verb starts, stops or restarts one profile and answers when that is done. A
// client that goes away meanwhile changes nothing: it may be the gateway itself.
func (s *Supervisor) verb(w http.ResponseWriter, r *http.Request) {
	verb, name := r.PathValue("verb"), r.PathValue("profile")
	if verb != "start" && verb != "stop" && verb != "restart" {
		refuse(w, http.StatusNotFound, exitcode.Usage, fmt.Errorf("there is no %q; use start, stop or restart", verb))
		return
	}
	at := slices.IndexFunc(s.units, func(u *unit) bool { return u.profile.Name == name })
	if at < 0 {
		refuse(w, http.StatusNotFound, exitcode.Usage,
			fmt.Errorf("this supervisor does not run profile %q; it runs %s", name, strings.Join(s.names(), ", ")))
		return
	}
	if err := s.mayChange(r, name); err != nil {
		refuse(w, http.StatusForbidden, exitcode.Failed, err)
		return
	}
	u := s.units[at]
	err := u.act(context.WithoutCancel(r.Context()), verb)
	now := u.status()
	if err != nil {
		reply(w, http.StatusConflict, control.Result{Error: err.Error(), Code: int(exitcode.Of(err)), Instance: &now})
		return
	}
	reply(w, http.StatusOK, control.Result{OK: true, Instance: &now})
}
