// Package rescue owns what the gateway of the profile rescue does for others: it
// knows which of them are in trouble, and has their supervisor's doctor see to
// them. It reads nothing of theirs, which its isolation forbids: it asks the
// supervisor, and knows that only by the interface that it declares.
package rescue

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

const (
	// fresh is how long what the supervisor has said is taken to hold: clients that ask
	// at the same time cost one question.
	fresh = 2 * time.Second
	// askTime bounds the question. A supervisor that hangs is one of the things to be told.
	askTime = 5 * time.Second
	// maxReport bounds what is kept of doctor's output; a report takes some kilobytes.
	maxReport = 1 << 20
)

// Supervisor is what is asked of the gateway's supervisor.
type Supervisor interface {
	// Siblings are the other profiles that are in trouble.
	Siblings(ctx context.Context) (protocol.Siblings, error)
	// Doctor runs doctor on a profile, outside of any isolation, and returns its exit
	// code. line is told what it prints, from one goroutine.
	Doctor(ctx context.Context, profile string, repair bool, line func(stream, text string)) (exit int, err error)
}

// Feature is safe for concurrent use.
type Feature struct {
	supervisor Supervisor
	now        func() time.Time

	mu   sync.Mutex // guards what follows; held while the supervisor is asked, so that those who ask at once share the answer
	seen protocol.Siblings
	at   time.Time // zero: never
}

// New returns the feature; nothing is asked before somebody wants to know.
func New(s Supervisor, now func() time.Time) *Feature { return &Feature{supervisor: s, now: now} }

// Siblings are the other profiles that are in trouble, as of some seconds ago at
// most. When the supervisor does not say, that is the answer.
func (f *Feature) Siblings(ctx context.Context) protocol.Siblings {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.at.IsZero() && f.now().Sub(f.at) < fresh {
		return f.seen
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime) // others may wait for the same answer
	defer cancel()
	seen, err := f.supervisor.Siblings(ctx)
	if err != nil {
		seen = protocol.Siblings{Unseen: err.Error()}
	}
	f.seen, f.at = seen, f.now()
	return seen
}

// forget has the next question asked anew.
func (f *Feature) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = time.Time{}
}

// Register adds the method coderclaw.doctor.
func (f *Feature) Register(m *rpc.Mux) {
	rpc.Handle(m, protocol.MethodDoctor, rpc.ScopeAdmin, f.doctor)
	m.Waits(protocol.MethodDoctor)
}

// doctor carries out one run. A caller that goes away does not end it.
func (f *Feature) doctor(ctx context.Context, s *rpc.Session, p protocol.DoctorParams) (protocol.DoctorResult, error) {
	res := protocol.DoctorResult{RunID: uuid.NewString()}
	var printed bytes.Buffer
	var told error
	var err error
	res.ExitCode, err = f.supervisor.Doctor(ctx, p.Profile, p.Repair, func(stream, line string) {
		if stream == "stdout" && printed.Len()+len(line) < maxReport {
			printed.WriteString(line)
			printed.WriteByte('\n')
		}
		if e := s.Event(protocol.EventDoctor, protocol.DoctorEvent{RunID: res.RunID, Stream: stream, Line: line}); told == nil {
			told = e
		}
	})
	f.forget() // a repair may have changed everything
	if err == nil {
		err = told
	}
	if json.Valid(printed.Bytes()) {
		res.Report = json.RawMessage(bytes.TrimSpace(printed.Bytes()))
	}
	return res, err
}
