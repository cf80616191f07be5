package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// fleet follows every supervisor of the registry through its control socket. All
// fields belong to the one goroutine of run.
type fleet struct {
	app      *app
	registry *profiles.Registry

	watched map[supervisorID]*control.Status // nil until the first status came
	holders map[string]supervisorID          // by profile, as of the last look
	events  chan fleetEvent
	wg      sync.WaitGroup
}

// supervisorID tells supervisors apart, also when a pid is used again.
type supervisorID struct {
	pid   int
	start uint64
}

type fleetEvent struct {
	from   supervisorID
	status *control.Status // nil when the supervisor ended or no longer answers
}

// follow calls see with what all supervisors run: first as it is, then after each
// change, and with tick set at each interval, when it also looks for supervisors
// that started. It ends without an error when ctx does.
func (a *app) follow(ctx context.Context, interval time.Duration, see func(report psReport, tick bool) error) error {
	r, err := a.shownRegistry()
	if err != nil {
		return err
	}
	f := &fleet{app: a, registry: r, watched: map[supervisorID]*control.Status{}, events: make(chan fleetEvent)}
	ctx, cancel := context.WithCancel(ctx)
	defer f.wg.Wait()
	defer cancel()
	return f.run(ctx, interval, see)
}

func (f *fleet) run(ctx context.Context, interval time.Duration, see func(psReport, bool) error) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	f.look(ctx)
	for first := true; ; first = false {
		tick := first && f.settled()
		if !tick {
			select {
			case <-ctx.Done():
				return nil
			case <-ticker.C:
				f.look(ctx)
				tick = true
			case e := <-f.events:
				f.take(e)
				if !f.settled() {
					continue // the others are about to answer; without them the report would be wrong
				}
			}
		}
		if err := see(f.report(), tick); err != nil {
			return err
		}
	}
}

// settled tells whether every supervisor that was found has said what it runs.
func (f *fleet) settled() bool {
	for _, s := range f.watched {
		if s == nil {
			return false
		}
	}
	return true
}

func (f *fleet) take(e fleetEvent) {
	if e.status != nil {
		f.watched[e.from] = e.status
		return
	}
	delete(f.watched, e.from)
	for name, holder := range f.holders {
		if holder == e.from {
			delete(f.holders, name) // if it still lives, the next look finds it again
		}
	}
}

// look finds the supervisors of now and begins to watch those that are new. A
// registry that cannot be read for a moment leaves the profiles as they were.
func (f *fleet) look(ctx context.Context) {
	if r, err := f.app.shownRegistry(); err == nil {
		f.registry = r
	}
	f.holders = map[string]supervisorID{}
	for _, p := range f.registry.List() {
		client, info, err := control.Find(p)
		if err != nil {
			continue // none, or one whose lock is being written
		}
		id := supervisorID{info.PID, info.StartTime}
		f.holders[p.Name] = id
		if _, known := f.watched[id]; known {
			continue
		}
		f.watched[id] = nil
		f.wg.Go(func() { f.watch(ctx, client, id) })
	}
}

func (f *fleet) watch(ctx context.Context, client *control.Client, id supervisorID) {
	send := func(e fleetEvent) {
		select {
		case f.events <- e:
		case <-ctx.Done():
		}
	}
	_ = client.Watch(ctx, func(s control.Status) { send(fleetEvent{id, &s}) }) // whatever ended it, the next look tries again
	send(fleetEvent{from: id})
}

// report is what `ps` would show.
func (f *fleet) report() psReport {
	report := psReport{Supervisors: []control.Supervisor{}, Instances: []control.Instance{}}
	supervised := map[string]control.Instance{}
	for _, s := range f.watched {
		if s == nil {
			continue
		}
		report.Supervisors = append(report.Supervisors, s.Supervisor)
		for _, i := range s.Instances {
			supervised[i.Profile] = i
		}
	}
	slices.SortFunc(report.Supervisors, func(a, b control.Supervisor) int { return a.PID - b.PID })
	for _, p := range f.registry.List() {
		if i, ok := supervised[p.Name]; ok {
			report.Instances = append(report.Instances, i)
			continue
		}
		if _, err := os.Stat(p.ConfigPath); errors.Is(err, os.ErrNotExist) {
			continue
		}
		i := unsupervised(p)
		if holder, held := f.holders[p.Name]; held && i.State == instance.Stopped {
			i.Reason = fmt.Sprintf("supervisor pid %d does not answer", holder.pid)
		}
		report.Instances = append(report.Instances, i)
	}
	return report
}
