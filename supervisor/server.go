package supervisor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/internal/exitcode"
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
	s.later.running.Wait()
	s.doctors.wait() // Close leaves handlers behind
}

// answerTime is how long a client may take to read what it is sent.
const answerTime = 10 * time.Second

func (s *Supervisor) routes(watching context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.answerStatus())
	mux.HandleFunc("GET /metrics", s.metrics)
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
	mux.HandleFunc("POST /v1/reload", s.reload)
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) { s.streamEvents(watching, w, r) })
	mux.HandleFunc("GET /v1/restarts/{id}", func(w http.ResponseWriter, r *http.Request) {
		res, ok := s.later.get(r.PathValue("id"))
		if !ok {
			refuse(w, http.StatusNotFound, exitcode.Failed, fmt.Errorf("there is no restart %q; only the last %d are kept", r.PathValue("id"), keptRestarts))
			return
		}
		reply(w, http.StatusOK, res)
	})
	mux.HandleFunc("GET /v1/diagnosis", s.answerDiagnosis)
	mux.HandleFunc("POST /v1/doctor/{profile}", s.doctor)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !mayControl(r) {
			refuse(w, http.StatusForbidden, exitcode.Failed, fmt.Errorf("this supervisor answers only to %s", me()))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// answerStatus makes its answers in the room of earlier ones: one of hundreds of instances takes
// so much that every few would be a reason to collect, and would wait for that.
func (s *Supervisor) answerStatus() http.HandlerFunc {
	type room struct {
		list []control.Instance
		text []byte
	}
	rooms := sync.Pool{New: func() any { return new(room) }}
	return func(w http.ResponseWriter, _ *http.Request) {
		in := rooms.Get().(*room)
		defer rooms.Put(in)
		st := s.statusIn(in.list)
		text, err := st.Append(in.text[:0])
		in.list, in.text = st.Instances, text
		replyText(w, http.StatusOK, text, err)
	}
}

func refuse(w http.ResponseWriter, status int, code exitcode.Code, err error) {
	reply(w, status, control.Result{Error: err.Error(), Code: int(code)})
}

func reply(w http.ResponseWriter, code int, v any) {
	text, err := json.Marshal(v)
	replyText(w, code, text, err)
}

func replyText(w http.ResponseWriter, code int, text []byte, err error) {
	w.Header().Set("Content-Type", "application/json")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime)) // our own server can
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(text))) // else a long answer goes out in pieces
	w.WriteHeader(code)
	_, _ = w.Write(text) // the client may be gone
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

// streamEvents streams transitions, a line each.
func (s *Supervisor) streamEvents(watching context.Context, w http.ResponseWriter, r *http.Request) {
	since, err := strconv.ParseInt(cmp.Or(r.FormValue("since"), "0"), 10, 64)
	if err != nil {
		refuse(w, http.StatusBadRequest, exitcode.Usage, fmt.Errorf("since: %q is no number", r.FormValue("since")))
		return
	}
	defer s.traffic.leaveOut()()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(watching, cancel)()
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc := json.NewEncoder(w)
	flush := http.NewResponseController(w)
	_ = s.events.stream(ctx, since, r.FormValue("follow") == "true", func(list []control.Event) error { // ends when either side goes
		err := flush.SetWriteDeadline(time.Now().Add(answerTime))
		for _, e := range list {
			err = errors.Join(err, enc.Encode(e))
		}
		return errors.Join(err, flush.Flush())
	})
}

// below tells whether the peer runs below the gateway of u.
func (s *Supervisor) below(r *http.Request, u *unit) bool {
	p, _ := peerOf(r)
	return p.below(u.instance.Snapshot().PID)
}

// verb starts, stops or restarts one profile and answers when that is done. A
// client that goes away meanwhile changes nothing: it may be the gateway itself.
func (s *Supervisor) verb(w http.ResponseWriter, r *http.Request) {
	verb, name := r.PathValue("verb"), r.PathValue("profile")
	if verb != "start" && verb != "stop" && verb != "restart" {
		refuse(w, http.StatusNotFound, exitcode.Usage, fmt.Errorf("there is no %q; use start, stop or restart", verb))
		return
	}
	u := s.set.find(name)
	if u == nil {
		refuse(w, http.StatusNotFound, exitcode.Usage,
			fmt.Errorf("this supervisor does not run profile %q; it runs %s", name, strings.Join(s.set.names(), ", ")))
		return
	}
	if err := s.mayChange(r, name); err != nil {
		refuse(w, http.StatusForbidden, exitcode.Failed, err)
		return
	}
	if verb == "restart" && s.below(r, u) {
		id := s.later.begin(name, func() error { return u.act(context.WithoutCancel(r.Context()), verb) })
		reply(w, http.StatusAccepted, control.Result{OK: true, RestartID: id})
		return
	}
	err := u.act(context.WithoutCancel(r.Context()), verb)
	now := u.status()
	if err != nil {
		reply(w, http.StatusConflict, control.Result{Error: err.Error(), Code: int(exitcode.Of(err)), Instance: &now})
		return
	}
	reply(w, http.StatusOK, control.Result{OK: true, Instance: &now})
}
