package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// doctors are the runs of doctor that are asked for over the control socket: one
// at a time, and none any more once the supervisor ends. It is safe for concurrent use.
type doctors struct {
	slot   chan struct{}  // holds one while a run is under way
	told   sync.WaitGroup // those who asked for a run and were not told how it ended
	ending chan struct{}  // closed when no run is to go on
	once   sync.Once
}

func newDoctors() *doctors {
	return &doctors{slot: make(chan struct{}, 1), ending: make(chan struct{})}
}

// begin tells whether a run may begin. done is to be called after it, and told.Done
// once whoever asked knows: who is told that a run has ended can ask for the next.
func (d *doctors) begin() bool {
	select {
	case d.slot <- struct{}{}:
		d.told.Add(1)
		return true
	default:
		return false
	}
}

func (d *doctors) done() { <-d.slot }

// end has the run that is under way end soon.
func (d *doctors) end() { d.once.Do(func() { close(d.ending) }) }

// wait ends what is under way, waits for it, and lets nothing begin any more.
func (d *doctors) wait() {
	d.end()
	d.slot <- struct{}{}
	d.told.Wait()
}

// mayDoctor tells whether the peer may have a profile looked at and mended, which
// is done outside of any isolation. A person at a shell can do that anyway. Of what
// gateways have started only that of the profile rescue can, and for others than itself.
func (s *Supervisor) mayDoctor(r *http.Request, profile string) error {
	p, _ := peerOf(r)
	for _, u := range s.set.list() {
		switch {
		case !p.below(u.instance.Snapshot().PID):
		case u.profile.Name != profiles.Rescue:
			return fmt.Errorf("pid %d runs below the gateway of profile %s; only that of profile %s may ask for doctor", p.PID, u.profile.Name, profiles.Rescue)
		case profile == profiles.Rescue:
			return fmt.Errorf("the gateway of profile %s may ask for doctor on others, not on itself; run: coderclaw --profile %s doctor", profile, profile)
		default:
			return nil
		}
	}
	return p.traced()
}

// lineTime is how long a client may take for one line of doctor's output.
const lineTime = 5 * time.Second

// doctor runs doctor on a profile and streams what it prints. A client that goes
// away meanwhile changes nothing: half a repair is worse than a whole one.
func (s *Supervisor) doctor(w http.ResponseWriter, r *http.Request) {
	name, err := profiles.ParseName(r.PathValue("profile"))
	if err != nil {
		refuse(w, http.StatusBadRequest, exitcode.Usage, err)
		return
	}
	if err := s.mayDoctor(r, name); err != nil {
		refuse(w, http.StatusForbidden, exitcode.Failed, err)
		return
	}
	if !s.doctors.begin() {
		refuse(w, http.StatusConflict, exitcode.Busy, errors.New("doctor runs already; ask again when it has ended"))
		return
	}
	defer s.doctors.told.Done()
	repair := r.URL.Query().Get("repair") == "1"
	run, err := s.startDoctor(name, repair)
	if err != nil {
		s.doctors.done()
		refuse(w, http.StatusInternalServerError, exitcode.Failed, fmt.Errorf("doctor cannot be started: %w", err))
		return
	}
	s.o.Log.Info("doctor runs on request", "profile", name, "repair", repair)
	w.Header().Set("Content-Type", "application/x-ndjson")
	enc, flush, gone := json.NewEncoder(w), http.NewResponseController(w), false
	tell := func(out control.DoctorOut) {
		if gone {
			return
		}
		gone = errors.Join(flush.SetWriteDeadline(time.Now().Add(lineTime)), enc.Encode(out), flush.Flush()) != nil
	}
	exit, err := run.follow(s.doctors.ending, tell)
	if err != nil {
		s.o.Log.Error("doctor", "profile", name, "err", err)
	}
	s.o.Log.Info("doctor has ended", "profile", name, "exit", exit)
	s.doctors.done()
	tell(control.DoctorOut{Exit: &exit})
}
