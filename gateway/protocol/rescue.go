package protocol

import (
	"encoding/json"
	"time"
)

// Siblings is what a rescue gateway knows of the other profiles: those that do not
// serve as they should. Other gateways know nothing of others, and leave it empty.
type Siblings struct {
	Siblings []Sibling `json:"siblings,omitempty"`
	Unseen   string    `json:"siblingsUnseen,omitempty"` // why these may not be all, "" if they are
}

// Sibling is one profile that does not serve as it should.
type Sibling struct {
	Profile    string       `json:"profile"`
	State      string       `json:"state"` // as in docs/states.md, or unknown: its supervisor does not answer
	Reason     string       `json:"reason"`
	Since      time.Time    `json:"since,omitzero"` // when that state was entered
	LastExit   *SiblingExit `json:"lastExit"`       // null until a gateway of it died
	Supervisor int          `json:"supervisor"`     // pid, 0 when none runs the profile
	Unit       string       `json:"unit"`           // that started the supervisor, or that should run one; "" if none
}

// SiblingExit is how the last gateway of a sibling ended.
type SiblingExit struct {
	Class  string    `json:"class"`
	Code   int       `json:"code"` // -1 when a signal ended it
	Signal string    `json:"signal,omitempty"`
	At     time.Time `json:"at"`
}

// Method and event of a rescue gateway.
const (
	MethodDoctor = "coderclaw.doctor"
	EventDoctor  = "coderclaw.doctor" // sent to whoever called the method, and to nobody else
)

// DoctorParams are the parameters of coderclaw.doctor.
type DoctorParams struct {
	Profile string `json:"profile" rule:"required,nonempty"`
	Repair  bool   `json:"repair,omitempty"` // mend what can be mended, without asking
}

// DoctorEvent is the payload of the event: one line that doctor printed.
type DoctorEvent struct {
	RunID  string `json:"runId"`
	Stream string `json:"stream"` // stdout or stderr
	Line   string `json:"line"`
}

// DoctorResult is the result of coderclaw.doctor, after its last event.
type DoctorResult struct {
	RunID    string          `json:"runId"`
	ExitCode int             `json:"exitCode"` // -1 when a signal ended it
	Report   json.RawMessage `json:"report"`   // what `doctor --json` printed; null when that was no JSON
}
