package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// watchInterval is how soon a supervisor that starts is noticed.
const watchInterval = time.Second

// psWatch shows the instances until ctx ends: on a terminal as a table in place, in
// a pipe as a line for each change, in JSON when asJSON is set.
func (a *app) psWatch(ctx context.Context, asJSON bool) error {
	if isTerminal(a.stdout) && !asJSON {
		s := screen{w: a.stdout, size: func() (int, int) { return terminalSize(a.stdout) }}
		err := a.follow(ctx, watchInterval, func(r psReport, _ bool) error {
			s.draw(instanceTable(time.Now(), r.Instances))
			return nil
		})
		fmt.Fprintln(a.stdout) // the terminal has shown ^C on the line below the table
		return err
	}
	c := newChanges()
	return a.follow(ctx, watchInterval, func(r psReport, _ bool) error {
		for _, i := range c.next(r.Instances) {
			if err := a.printChange(i, asJSON); err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *app) printChange(i control.Instance, asJSON bool) error {
	if asJSON {
		return writeJSONLine(a.stdout, i)
	}
	_, err := fmt.Fprintf(a.stdout, "%-10s %s%s\n", i.Profile, i.State, details(i))
	return err
}

// changes remembers the instances that were shown.
type changes struct{ last map[string]string }

func newChanges() *changes { return &changes{map[string]string{}} }

// next returns those of list that are not as they were; a profile that is no longer
// in it comes as stopped.
func (c *changes) next(list []control.Instance) []control.Instance {
	var out []control.Instance
	now := make(map[string]string, len(list))
	for _, i := range list {
		key := fmt.Sprint(i.State, i.Reason, i.PID, i.Port, i.Restarts, i.Supervisor, i.ID)
		now[i.Profile] = key
		if c.last[i.Profile] != key {
			out = append(out, i)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.last)) {
		if _, still := now[name]; !still {
			out = append(out, control.Instance{Profile: name, State: instance.Stopped, Reason: "it is no longer there"})
		}
	}
	c.last = now
	return out
}
