// Package control owns the wire types of a supervisor's control socket and the
// client that speaks to it: JSON over HTTP/1.1 on a unix socket of mode 0600,
// whose peer must have the supervisor's own user id.
//
// It does not supervise; package supervisor serves what is defined here.
package control

import (
	"time"

	"github.com/coderclaw/coderclaw/instance"
)

// Instance is one line of `ps`.
type Instance struct {
	Profile    string         `json:"profile"`
	State      instance.State `json:"state"`
	Reason     string         `json:"reason"` // why it is in that state, for people
	PID        int            `json:"pid"`    // 0 when no child lives
	Port       int            `json:"port"`
	URL        string         `json:"url"`
	Since      time.Time      `json:"since"` // when the state was entered
	Restarts   int            `json:"restarts"`
	LastExit   *instance.Exit `json:"lastExit"`   // null until a child died
	Supervisor int            `json:"supervisor"` // pid of the supervisor, 0 when none holds the profile

	Degraded string `json:"degraded,omitempty"` // why it runs on its last good config, "" if it does not

	// Kept tells that the last good config is the one with which the child that is ready was started.
	Kept bool `json:"lastGoodKept,omitempty"`

	ID      string     `json:"instance,omitempty"` // random id of this start
	NextTry *time.Time `json:"nextTry,omitempty"`  // set while backing off
	Tries   int        `json:"tries,omitempty"`    // deaths in a row before ready

	Deaths    map[string]int `json:"deaths,omitempty"` // that nobody asked for, by exit class, since the supervisor began
	Isolation string         `json:"isolation"`        // mode that the registry asks for
	Group     string         `json:"group,omitempty"`  // control group of the child, "" without one
}

// Supervisor identifies one supervisor process.
type Supervisor struct {
	PID      int      `json:"pid"`
	Version  string   `json:"version"`
	Unit     string   `json:"unit"`            // unit that started it, "" when a person did
	Profiles []string `json:"profiles"`        // sorted
	Trees    string   `json:"trees,omitempty"` // how it ends whole trees of processes, for people

	Generation  int    `json:"generation,omitempty"`  // how often a successor has taken the place of the first one in this process
	ReexecError string `json:"reexecError,omitempty"` // why the last attempt at that failed, "" if it did not
}

// Status is the answer to GET /v1/status.
type Status struct {
	Supervisor Supervisor `json:"supervisor"`
	Started    time.Time  `json:"started"`
	Origin     string     `json:"origin"` // "up" or "run": which command started it
	Instances  []Instance `json:"instances"`
}

// Event is one transition of an instance, a line of GET /v1/events.
type Event struct {
	Seq     int64          `json:"seq"` // counts from 1 without gaps, over all profiles
	At      time.Time      `json:"at"`
	Profile string         `json:"profile"`
	From    instance.State `json:"from"`
	To      instance.State `json:"to"`
	Reason  string         `json:"reason"`
	PID     int            `json:"pid"` // of the child, 0 when none lives
}

// Plan is what a reload does, or would do: the names of profiles.
type Plan struct {
	Added   []string `json:"added"`
	Changed []string `json:"changed"`
	Removed []string `json:"removed"`
	Kept    []string `json:"kept"`
}

// Restart is a restart that was asked for from below the gateway itself: the answer
// to GET /v1/restarts/ID.
type Restart struct {
	ID      string    `json:"restartId"`
	Profile string    `json:"profile"`
	Asked   time.Time `json:"asked"`
	Done    bool      `json:"done"`
	Ended   time.Time `json:"ended,omitzero"`
	OK      bool      `json:"ok"`
	Error   string    `json:"error,omitempty"`
	Code    int       `json:"code,omitempty"`
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

// Result is the answer to a request to start, stop or restart an instance.
type Result struct {
	OK       bool      `json:"ok"`
	Instance *Instance `json:"instance,omitempty"` // how it is now, when that is known
	Error    string    `json:"error,omitempty"`
	Code     int       `json:"code,omitempty"` // exit code for a command that asked, 0 when ok

	RestartID string `json:"restartId,omitempty"` // of a restart that is carried out later, see Restart
}
