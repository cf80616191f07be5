package supervisor

import (
	"context"
	"net/http"
	"time"

	"github.com/coderclaw/coderclaw/supervisor/control"
)

// lookTime bounds the look at what other supervisors run. One that lives answers
// within milliseconds, and whoever wants to know waits for the one that hangs.
const lookTime = 2 * time.Second

// diagnosis is what is wrong with our own profiles and with those of others.
func (s *Supervisor) diagnosis(ctx context.Context) control.Report {
	r := control.Report{Wrong: []control.Diagnosis{}}
	for _, u := range s.set.list() {
		if d, wrong := control.Diagnose(u.status(), s.o.Unit); wrong {
			r.Wrong = append(r.Wrong, d)
		}
	}
	if s.o.Look == nil {
		return r
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	others, err := s.o.Look(ctx, s.set.names())
	r.Wrong = append(r.Wrong, others...)
	if err != nil {
		r.Unseen = err.Error()
	}
	return r
}

func (s *Supervisor) answerDiagnosis(w http.ResponseWriter, r *http.Request) {
	reply(w, http.StatusOK, s.diagnosis(r.Context()))
}
