// Package control owns the wire types of a supervisor's control socket and the
// client that speaks to it: JSON over HTTP/1.1 on a unix socket of mode 0600,
// whose peer must have the supervisor's own user id.
//
// It does not supervise; package supervisor serves what is defined here.
package control

import "time"

// State is what an instance is doing. The values are part of `ps --json`.
type State string

// The states of an instance (design: "States of an instance").
const (
	Stopped     State = "stopped"
	Starting    State = "starting"
	Ready       State = "ready"
	Unhealthy   State = "unhealthy"
	Draining    State = "draining"
	BackingOff  State = "backing-off"
	Blocked     State = "blocked"
	Quarantined State = "quarantined"
)

// Exit describes the death of one child.
type Exit struct {
	Class  string    `json:"class"`            // clean, config, port, auth, crash, oom, killed
	Code   int       `json:"code"`             // exit status, -1 when a signal ended it
	Signal string    `json:"signal,omitempty"` // e.g. "SIGKILL"
	At     time.Time `json:"at"`
	Fast   bool      `json:"fast,omitempty"` // died before it was ready
}

// Instance is one line of `ps`.
type Instance struct {
	Profile    string    `json:"profile"`
	State      State     `json:"state"`
	Reason     string    `json:"reason"` // why it is in that state, for people
	PID        int       `json:"pid"`    // 0 when no child lives
	Port       int       `json:"port"`
	URL        string    `json:"url"`
	Since      time.Time `json:"since"` // when the state was entered
	Restarts   int       `json:"restarts"`
	LastExit   *Exit     `json:"lastExit"`   // null until a child died
	Supervisor int       `json:"supervisor"` // pid of the supervisor, 0 when none holds the profile

	ID      string     `json:"instance,omitempty"` // random id of this start
	NextTry *time.Time `json:"nextTry,omitempty"`  // set while backing off
	Tries   int        `json:"tries,omitempty"`    // deaths in a row before ready
}

// Supervisor identifies one supervisor process.
type Supervisor struct {
	PID      int      `json:"pid"`
	Version  string   `json:"version"`
	Unit     string   `json:"unit"`     // unit that started it, "" when a person did
	Profiles []string `json:"profiles"` // sorted
}

// Status is the answer to GET /v1/status.
type Status struct {
	Supervisor Supervisor `json:"supervisor"`
	Started    time.Time  `json:"started"`
	Origin     string     `json:"origin"` // "up" or "run": which command started it
	Instances  []Instance `json:"instances"`
}

// LockInfo is what a supervisor writes into each supervisor.lock that it holds.
type LockInfo struct {
	PID       int       `json:"pid"`
	StartTime uint64    `json:"startTime"` // as proctable reports it, to tell a reused pid
	Started   time.Time `json:"started"`
	Unit      string    `json:"unit,omitempty"`
	Socket    string    `json:"socket"`
	Origin    string    `json:"origin"` // "up" or "run"
	Version   string    `json:"version"`
}
