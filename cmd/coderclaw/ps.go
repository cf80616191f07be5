package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/jsonwriter"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// psReport is the machine form of `ps --json`.
type psReport struct {
	Supervisors []control.Supervisor `json:"supervisors"`
	Instances   []control.Instance   `json:"instances"`
}

// encode is what printJSON prints.
func (r *psReport) encode() ([]byte, error) {
	w := jsonwriter.Indented(make([]byte, 0, 2*control.JSONSize(r.Supervisors, r.Instances)))
	w.Open('{')
	w.Key("supervisors")
	jsonwriter.Array(w, r.Supervisors, func(s *control.Supervisor) { s.WriteJSON(w) })
	w.Key("instances")
	jsonwriter.Array(w, r.Instances, func(i *control.Instance) { i.WriteJSON(w) })
	w.Close('}')
	text, err := w.Bytes()
	return append(text, '\n'), err
}

func (a *app) psCommand() *cli.Command {
	return &cli.Command{
		Name:  "ps",
		Usage: "what every supervisor of this registry runs",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
			&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "also isolation, deaths by class, last exit, control group and what supervises"},
			&cli.BoolFlag{Name: "watch", Usage: "go on until Ctrl-C: a table in place on a terminal, else a line for each change"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Bool("watch") {
				return a.psWatch(ctx, c.Bool("json"))
			}
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			ask := asker(askNow)
			if home, err := profiles.Home(profiles.Lookup(a.env)); err == nil { // shownRegistry says what else is wrong
				ask = askEarly(ctx, home)
			}
			r, err := a.shownRegistry()
			if err != nil {
				return err
			}
			all := r.List()
			if err := a.ps(ctx, ask, all, all, c.Bool("json")); err != nil || c.Bool("json") || !c.Bool("verbose") {
				return err
			}
			return a.psVerbose(ctx, r)
		},
	}
}

// ps prints the instances of ps, which are some of all; profiles that were never set up
// and that no supervisor runs are left out.
func (a *app) ps(ctx context.Context, ask asker, all, ps []profiles.Profile, asJSON bool) error {
	report, err := survey(ctx, ask, all, ps)
	if err != nil {
		return err
	}
	if asJSON {
		text, err := report.encode()
		if err == nil {
			_, err = a.stdout.Write(text)
		}
		if err != nil {
			return err
		}
	} else {
		fmt.Fprint(a.stdout, instanceTable(time.Now(), report.Instances))
	}
	for _, i := range report.Instances {
		if i.State == unknown {
			return quiet(exitcode.Failed)
		}
	}
	if len(report.Supervisors) == 0 {
		if !asJSON {
			fmt.Fprintln(a.stderr, "no supervisor is running; start one with: coderclaw up, or coderclaw gateway install")
		}
		return quiet(exitcode.NotRunning)
	}
	return nil
}

// survey asks every supervisor that holds one of all for its status, and picks
// from the answers what they say of ps. A gateway whose state dir is gone is
// known only through its siblings.
func survey(ctx context.Context, ask asker, all, ps []profiles.Profile) (psReport, error) {
	report := psReport{Supervisors: []control.Supervisor{}, Instances: make([]control.Instance, 0, len(ps))}
	supervised := make(map[string]*control.Instance, len(ps))
	asked, mute := map[int]bool{}, map[int]string{}
	for _, p := range all {
		if _, known := supervised[p.Name]; known {
			continue // named by a supervisor that was asked for another profile
		}
		client, info, err := control.Find(p)
		if errors.Is(err, control.ErrNone) || asked[info.PID] {
			continue
		}
		if err != nil {
			return report, fmt.Errorf("profile %s: %w", p.Name, err)
		}
		status, err := ask(ctx, client, info)
		if err != nil && !proctable.Alive(info.PID, info.StartTime) {
			continue // it was just ending
		}
		asked[info.PID] = true
		if err != nil {
			mute[info.PID] = fmt.Sprintf("supervisor pid %d does not answer: %v", info.PID, err)
			report.Supervisors = append(report.Supervisors, control.Supervisor{PID: info.PID, Version: info.Version, Unit: info.Unit, Profiles: []string{}})
			continue
		}
		if slices.ContainsFunc(ps, func(p profiles.Profile) bool { return slices.Contains(status.Supervisor.Profiles, p.Name) }) {
			report.Supervisors = append(report.Supervisors, status.Supervisor)
		}
		for i := range status.Instances {
			supervised[status.Instances[i].Profile] = &status.Instances[i]
		}
	}
	for _, p := range ps {
		if i, ok := supervised[p.Name]; ok {
			report.Instances = append(report.Instances, *i)
			continue
		}
		if _, info, err := control.Find(p); err == nil && mute[info.PID] != "" {
			report.Instances = append(report.Instances, control.Instance{Profile: p.Name, State: unknown, Reason: mute[info.PID],
				Port: p.Port, URL: fmt.Sprintf("ws://127.0.0.1:%d", p.Port), Supervisor: info.PID})
			continue
		}
		if _, err := os.Stat(p.ConfigPath); err == nil {
			report.Instances = append(report.Instances, unsupervised(p))
		}
	}
	return report, nil
}

// unsupervised is the line of a profile that no supervisor holds. A gateway that
// a person runs by hand holds the lock of the state dir, and shows as its pid.
func unsupervised(p profiles.Profile) control.Instance {
	i := control.Instance{Profile: p.Name, State: instance.Stopped, Reason: "no supervisor", Port: p.Port,
		URL: fmt.Sprintf("ws://127.0.0.1:%d", p.Port)}
	if h, ok := statelock.Find(p); ok {
		i.State, i.PID, i.Port, i.Reason = instance.Ready, h.PID, h.Port, "runs by hand, without a supervisor"
		i.Since = h.Since
		i.URL = fmt.Sprintf("%s://127.0.0.1:%d", firstOf(h.Scheme, "ws"), h.Port)
	}
	return i
}
