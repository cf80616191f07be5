package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/profiles"
)

// EnvReexec names the descriptor of the hand-over that a supervisor finds when it
// takes the place of another in the same process. Children never get it.
const EnvReexec = "CODERCLAW_REEXEC"

// HandoverVersion is that of the form of the hand-over. A program that reads it is
// asked for by its number before it is trusted with one.
const HandoverVersion = 2

// handover is everything that a supervisor leaves to its successor. Numbers of
// descriptors stand for what is open under them.
type handover struct {
	Version    int        `json:"version"`
	PID        int        `json:"pid"` // of the process, which stays
	Generation int        `json:"generation"`
	Started    time.Time  `json:"started"` // the first generation
	Control    int        `json:"control"` // listening control socket
	Notify     int        `json:"notify"`  // socket on which children report, with what nobody has read yet; -1 without one
	NotifyPath string     `json:"notifyPath"`
	Tree       string     `json:"tree"` // directory of the control group that is divided, "" without one
	TreeLock   int        `json:"treeLock"`
	NoTree     string     `json:"noTree"` // why there is none
	Units      []heldUnit `json:"units"`

	Activated []heldListener `json:"activated,omitempty"` // from the service manager
}

// heldUnit is what belongs to one profile.
type heldUnit struct {
	Profile   profiles.Profile `json:"profile"` // as it was run
	Lock      int              `json:"lock"`
	Addr      netip.AddrPort   `json:"addr"`
	Scheme    string           `json:"scheme"`
	Listeners []heldListener   `json:"listeners"`
	Instance  instance.Frozen  `json:"instance"`
	Pipe      int              `json:"pipe"`      // of the child, as Output
	Output    int              `json:"output"`    // -1 without a child
	StartTime uint64           `json:"startTime"` // of the child, as in proctable; 0 when it has ended
	Grouped   bool             `json:"grouped"`   // it has a control group of its own
}

type heldListener struct {
	Addr netip.AddrPort `json:"addr"`
	FD   int            `json:"fd"`
}

// Inherited is what a predecessor has left to this supervisor. It belongs to one
// goroutine until Run has returned.
type Inherited struct {
	handover
	taken map[string]bool
}

// maxHandover bounds the text of a hand-over: some hundred profiles, each with the
// beginning of a line of at most a megabyte, which is rare.
const maxHandover = 256 << 20

// Inherit reads the hand-over that value, which is that of EnvReexec, names.
func Inherit(value string) (*Inherited, error) {
	fd, err := strconv.Atoi(value)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("%s=%q names no descriptor; unset it", EnvReexec, value)
	}
	f, err := adoptFile(fd, "hand-over")
	if err != nil {
		return nil, fmt.Errorf("%s: %w; unset it", EnvReexec, err)
	}
	text, err := io.ReadAll(io.NewSectionReader(f, 0, maxHandover))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", EnvReexec, err)
	}
	return parseHandover(text, os.Getpid())
}

// parseHandover reads a hand-over to the process pid.
func parseHandover(text []byte, pid int) (*Inherited, error) {
	in := &Inherited{taken: map[string]bool{}}
	if err := json.Unmarshal(text, &in.handover); err != nil {
		return nil, fmt.Errorf("hand-over of the supervisor before: %w", err)
	}
	if in.Version != HandoverVersion {
		return nil, fmt.Errorf("hand-over of the supervisor before: it has version %d, and this program reads version %d", in.Version, HandoverVersion)
	}
	if in.PID != pid {
		return nil, fmt.Errorf("hand-over of the supervisor before: it is for pid %d, and this is pid %d; unset %s", in.PID, pid, EnvReexec)
	}
	for _, u := range in.Units {
		if c := u.Instance.Child; (c != nil) != (u.Output >= 0) || (c != nil) != u.Instance.State.HasChild() || c != nil && c.PID <= 1 {
			return nil, fmt.Errorf("hand-over of the supervisor before: it contradicts itself about the gateway of profile %s", u.Profile.Name)
		}
	}
	return in, nil
}

// Names are those of the profiles that the predecessor ran; none without one.
func (in *Inherited) Names() []string {
	if in == nil {
		return nil
	}
	var names []string
	for _, u := range in.Units {
		names = append(names, u.Profile.Name)
	}
	return names
}

// take returns what was left of the profile, nil if nothing was. A profile whose
// state dir is another one by now is another profile.
func (in *Inherited) take(p profiles.Profile) *heldUnit {
	if in == nil {
		return nil
	}
	at := slices.IndexFunc(in.Units, func(u heldUnit) bool { return u.Profile.Name == p.Name && u.Profile.StateDir == p.StateDir })
	if at < 0 {
		return nil
	}
	in.taken[p.Name] = true
	return &in.Units[at]
}

// rest are the units that nobody has taken.
func (in *Inherited) rest() []*heldUnit {
	if in == nil {
		return nil
	}
	var out []*heldUnit
	for i, u := range in.Units {
		if !in.taken[u.Profile.Name] {
			out = append(out, &in.Units[i])
		}
	}
	return out
}
