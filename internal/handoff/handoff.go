// Package handoff owns what a supervisor tells a gateway child at its birth, and
// how: one inherited pipe that carries a single JSON document, and whose end of
// file afterwards means that the supervisor is gone.
//
// Secrets travel only here, never in argv or environment. The package knows no
// supervisor and no gateway code.
package handoff

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Environment variables that name the inherited descriptors.
const (
	// EnvListenFDs holds the number of listening sockets that the child inherits from FirstFD on.
	EnvListenFDs = "CODERCLAW_LISTEN_FDS"
	// EnvParentFD holds the number of the descriptor of the hand-off pipe.
	EnvParentFD = "CODERCLAW_PARENT_FD"
	// EnvInstance holds the random id of the start. Everything that the child starts inherits
	// it, so that what is left of it can be told from what is left of others.
	EnvInstance = "CODERCLAW_INSTANCE"
	// EnvVarsFD holds the number of the descriptor of a pipe that carries a hand-off of
	// variables alone, to a command that a supervisor runs and that is no gateway.
	EnvVarsFD = "CODERCLAW_VARS_FD"
	// FirstFD is the first inherited descriptor, as in systemd's socket protocol.
	FirstFD = 3
)

// maxSize bounds the document that a child is willing to read.
const maxSize = 1 << 20

// Message is the identity and the environment of one gateway child.
type Message struct {
	Profile    string            `json:"profile"`
	Instance   string            `json:"instance"` // random id of this start
	StateDir   string            `json:"stateDir"`
	ConfigPath string            `json:"configPath"`
	Workspace  string            `json:"workspace"`
	Port       int               `json:"port"`               // effective port of the gateway
	Drain      time.Duration     `json:"drain"`              // how long a planned stop waits for runs, ns
	Degraded   string            `json:"degraded,omitempty"` // why ConfigPath is not the profile's own config
	Env        map[string]string `json:"env,omitempty"`
	Isolation  Isolation         `json:"isolation"`

	ControlSocket string `json:"controlSocket,omitempty"` // path, on which the supervisor takes requests
}

// Isolation says how far the child is to wall itself off before it reads
// anything else. Its own directories follow from the Message. Paths are absolute.
type Isolation struct {
	Mode     string   `json:"mode"`               // standard, strict or off
	Home     string   `json:"home"`               // of the registry; hidden from the child but for what is its own
	Allow    []string `json:"allow,omitempty"`    // to read and write in mode standard
	ReadOnly []string `json:"readOnly,omitempty"` // to see and never to change
	Deny     []string `json:"deny,omitempty"`     // hidden: of other profiles, where hiding Home does not do it
}

// Encode returns m as the one line that the pipe carries.
func Encode(m Message) ([]byte, error) {
	line, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("hand-off of profile %q: %w", m.Profile, err)
	}
	if len(line) > maxSize {
		return nil, fmt.Errorf("hand-off of profile %q: the variables that its gateway is to get take %d bytes, more than the %d that it reads; shorten its .env or pass_env",
			m.Profile, len(line), maxSize)
	}
	return append(line, '\n'), nil
}

// Read receives the one document of the pipe and leaves the pipe open, so that
// the caller can go on to wait for its end of file. Nothing may follow the line.
func Read(r io.Reader) (Message, error) {
	var m Message
	fail := func(err error) (Message, error) { return m, fmt.Errorf("hand-off from the supervisor: %w", err) }
	var text []byte
	for chunk := make([]byte, 4096); len(text) <= maxSize; {
		n, err := r.Read(chunk)
		text = append(text, chunk[:n]...)
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			if end != len(text)-1 {
				return fail(errors.New("more than one line"))
			}
			if err := json.Unmarshal(text, &m); err != nil {
				return fail(err)
			}
			return m, nil
		}
		if errors.Is(err, io.EOF) {
			return fail(errors.New("it went away before it finished"))
		}
		if err != nil {
			return fail(err)
		}
	}
	return fail(fmt.Errorf("longer than %d bytes", maxSize))
}
