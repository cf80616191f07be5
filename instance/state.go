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

// States lists every state, in the order of the documentation.
func States() []State {
	return []State{Stopped, Starting, Ready, Unhealthy, Draining, BackingOff, Blocked, Quarantined}
}

// Next lists the states that may follow s. A state may also follow itself, with
// another reason.
func Next(s State) []State {
	switch s {
	case Stopped:
		return []State{Starting, Blocked}
	case Starting:
		return []State{Ready, Draining, BackingOff, Quarantined}
	case Ready:
		return []State{Unhealthy, Draining, Starting, BackingOff, Blocked, Quarantined}
	case Unhealthy:
		return []State{Ready, Draining, Starting, BackingOff, Blocked, Quarantined}
	case Draining:
		return []State{Stopped, Starting, Blocked}
	case BackingOff:
		return []State{Starting, Stopped, Blocked}
	case Blocked:
		return []State{Starting, Stopped}
	case Quarantined:
		return []State{Starting, Stopped, Blocked}
	}
	return nil
}

// allowed tells whether to may follow from.
func allowed(from, to State) bool { return from == to || slices.Contains(Next(from), to) }

// Meaning says what the state means, for the documentation.
func (s State) Meaning() string {
	switch s {
	case Stopped:
		return "No child lives, because somebody asked for that."
	case Starting:
		return "A child was started and has not said yet that it is ready."
	case Ready:
		return "The child serves."
	case Unhealthy:
		return "The child lives, but does not answer its probes or wants no clients. Only liveness probes missed in a row end it."
	case Draining:
		return "The child was asked to end and finishes what it has begun."
	case BackingOff:
		return "The child died; the next start waits for its time. Clients wait in the queue of the listening socket."
	case Blocked:
		return "Something outside of the child stands in the way of a start: port, lock, disk, state dir, config. It is tried again each second."
	case Quarantined:
		return "The child died too often to be worth another start. A changed config or program, or `start`, ends that; time does not."
	}
	return ""
}

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
	OOM    bool      `json:"-"`              // the kernel killed something of it for memory
}

// Classes of exits and of what blocks a start.
const (
	ClassClean  = "clean"  // status 0, or any end that we asked for
	ClassConfig = "config" // status 78
	ClassPort   = "port"   // status 75
	ClassAuth   = "auth"   // status 77
	ClassCrash  = "crash"
	ClassOOM    = "oom"    // killed for the memory that it took, by the kernel or for its budget
	ClassDisk   = "disk"   // full; never of an exit
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
	Degraded string    // why the child runs on its last good config instead of the file, "" if it does not
	LastExit *Exit     // nil until a child died
	NextTry  time.Time // zero unless it waits for one
}
