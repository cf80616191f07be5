package instance

import (
	"slices"
	"time"
)

// State is what an instance is doing. The values are part of `ps --json`.
type State string

// The states.
const (
	Stopped     State = "stopped"
	Starting    State = "starting"
	Ready       State = "ready"
	Unhealthy   State = "unhealthy"
	Draining    State = "draining"
	BackingOff  State = "backing-off"
	Blocked     State = "blocked"     // a cause outside: port, lock, disk, config
	Quarantined State = "quarantined" // it will never start as it is
)

// next lists the states that may follow each state. A state may follow itself,
// with another reason.
func next(s State) []State {
	switch s {
	case Stopped:
		return []State{Starting, Blocked, BackingOff}
	case Starting:
		return []State{Ready, Draining, BackingOff, Starting, Blocked, Quarantined}
	case Ready:
		return []State{Unhealthy, Draining, Starting, BackingOff, Blocked, Quarantined}
	case Unhealthy:
		return []State{Ready, Draining, Starting, BackingOff, Blocked, Quarantined}
	case Draining:
		return []State{Stopped, Starting, Blocked, Draining}
	case BackingOff:
		return []State{Starting, Stopped, Blocked, Quarantined}
	case Blocked:
		return []State{Starting, Stopped, Blocked, BackingOff}
	case Quarantined:
		return []State{Starting, Stopped, Blocked}
	}
	return nil
}

// allowed tells whether to may follow from.
func allowed(from, to State) bool { return slices.Contains(next(from), to) }

// HasChild tells whether a child lives in this state.
func (s State) HasChild() bool {
	return s == Starting || s == Ready || s == Unhealthy || s == Draining
}

// Exit describes the death of one child.
type Exit struct {
	Class  string    `json:"class"`            // one of the Class constants
	Code   int       `json:"code"`             // exit status, -1 when a signal ended it
	Signal string    `json:"signal,omitempty"` // e.g. "SIGKILL"
	At     time.Time `json:"at"`
	Fast   bool      `json:"fast,omitempty"` // died before it was ready
}

// Classes of exits and of what blocks a start.
const (
	ClassClean  = "clean"  // status 0, or any end that we asked for
	ClassConfig = "config" // status 78
	ClassPort   = "port"   // status 75
	ClassAuth   = "auth"   // status 77
	ClassCrash  = "crash"
	ClassLock   = "lock"   // of the state dir; never of an exit
	ClassKilled = "killed" // by a SIGKILL or SIGTERM of somebody else
)

// Snapshot is an instance at one moment.
type Snapshot struct {
	State    State
	Reason   string // why it is in that state, for people
	PID      int    // 0 when no child lives
	ID       string // random id of this start, "" when no child lives
	Since    time.Time
	Restarts int       // starts after the first, asked for or not
	Tries    int       // deaths in a row before ready
	LastExit *Exit     // nil until a child died
	NextTry  time.Time // zero unless it waits for one
}
