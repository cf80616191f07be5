package servicegen

import (
	"context"
	"errors"
	"fmt"
	"time"

	sd "github.com/coreos/go-systemd/v22/dbus"
)

// fewUnits is up to how many units it does not pay to ask first which of them exist.
const fewUnits = 2

// stateTime bounds a question to a manager that is stuck, say in a pipe that somebody
// put in the place of a drop-in. It is how long systemctl waits.
const stateTime = 25 * time.Second

var errNoAnswer = errors.New("the service manager does not answer; a pipe or a device in the place of a service file or drop-in is one cause")

// States is State for many units of one manager, over one connection: which of them
// it knows is asked for all at once, and the rest only of those.
func (h *Systemd) States(ctx context.Context, units []Unit) ([]State, error) {
	out := make([]State, len(units))
	if len(units) == 0 {
		return out, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, h.patience, errNoAnswer)
	defer cancel()
	err := h.do(ctx, units[0], "read the state of", func(c *sd.Conn) error {
		absent := map[string]bool{}
		if len(units) > fewUnits {
			names := make([]string, len(units))
			for i, u := range units {
				names[i] = u.Name
			}
			list, err := c.ListUnitsByNamesContext(ctx, names)
			if err != nil {
				return err
			}
			for _, s := range list {
				absent[s.Name] = s.LoadState == LoadNotFound && s.ActiveState == "inactive"
			}
		}
		for i, u := range units {
			if absent[u.Name] {
				out[i] = State{LoadState: LoadNotFound, ActiveState: "inactive", SubState: "dead", Result: "success",
					View: View{Format: FormatSystemd, Loaded: true, Values: map[string]string{}}}
				continue
			}
			props, err := c.GetAllPropertiesContext(ctx, u.Name)
			if err != nil {
				return fmt.Errorf("unit %s: %w", u.Name, err)
			}
			out[i] = stateOf(u.Scope, props)
		}
		return nil
	})
	return out, err
}
