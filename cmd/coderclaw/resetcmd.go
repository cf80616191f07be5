package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// resetScopes are what `reset` can take away, the smaller first (spec of the family's CLI).
var resetScopes = []string{"config", "config+creds+sessions", "full"}

func (a *app) resetCommand() *cli.Command {
	return &cli.Command{
		Name:  "reset",
		Usage: "take a profile back to what it was before setup; its service stays installed, and stopped",
		Description: "config: the config and its last good copy. config+creds+sessions: also .env, the identities of clients,\n" +
			"and the sessions of all agents. full: everything that coderclaw made for the profile, the workspace included.\n" +
			"Files that coderclaw did not make are kept and named.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "scope", Usage: "what to remove, `SCOPE`: " + strings.Join(resetScopes, ", ")},
			&cli.BoolFlag{Name: "workspace", Usage: "with full: remove a workspace outside of the state dir even if it holds files that are not ours"},
			&cli.BoolFlag{Name: "force", Usage: "treat a state dir as ours that this program never used"},
			systemFlags(false)[0],
		}, removalFlags()...),
		Action: func(ctx context.Context, c *cli.Command) error {
			return a.within(ctx, c, "reset", func() error { return a.reset(ctx, c) })
		},
	}
}

func (a *app) reset(ctx context.Context, c *cli.Command) error {
	p, r, err := a.profile()
	if err != nil {
		return err
	}
	scope, err := a.resetScope(c)
	if err != nil {
		return err
	}
	part, err := a.resetPart(ctx, c, p, r, scope)
	if err != nil {
		return err
	}
	plan := removalPlan{parts: []removalPart{part}}
	if len(part.data) > 0 {
		plan.notes = []string{"Set it up again with: " + hint(p, "setup")}
	}
	if len(part.services) > 0 {
		plan.notes = append(plan.notes, "Then start its service with: "+hint(p, "gateway start"))
	}
	return a.perform(ctx, c, plan)
}

// resetScope is the scope of the flag, or of a person's answer.
func (a *app) resetScope(c *cli.Command) (string, error) {
	scope := c.String("scope")
	if scope == "" && isTerminal(a.stdin) && !c.Bool("json") && !c.Bool("non-interactive") {
		fmt.Fprintf(a.stdout, "What is to be removed (%s)? ", strings.Join(resetScopes, ", "))
		line, _ := bufio.NewReader(a.stdin).ReadString('\n') // nothing is no scope
		scope = strings.TrimSpace(line)
	}
	switch {
	case scope == "":
		return "", usageError("reset needs --scope: one of %s", strings.Join(resetScopes, ", "))
	case !slices.Contains(resetScopes, scope):
		return "", usageError("--scope %q is none of %s", scope, strings.Join(resetScopes, ", "))
	}
	return scope, nil
}

func (a *app) resetPart(ctx context.Context, c *cli.Command, p profiles.Profile, r *profiles.Registry, scope string) (removalPart, error) {
	var part removalPart
	want := func(kind string) bool {
		switch scope {
		case "config":
			return kind == isConfig
		case "config+creds+sessions":
			return kind == isConfig || kind == isCredentials || kind == isSessions
		}
		return true
	}
	x := a.remover(p, r)
	x.outside, x.force = c.Bool("workspace"), c.Bool("force")
	keepsService := false
	part.list = func() ([]removal, error) {
		list, err := x.data(want)
		if keepsService {
			// That a person wants it stopped is recorded in the state dir, and stays with the service.
			list = slices.DeleteFunc(list, func(m removal) bool { return m.Path == p.DesiredFile() || m.What == "state dir" })
		}
		return list, err
	}
	var err error
	if part.data, err = part.list(); err != nil {
		return part, err
	}
	if _, part.busy = a.holder(ctx, p, r); part.busy != nil || !p.Registered() {
		part.claim = func() (func(), error) { return a.claimToRemove(p) }
		return part, nil
	}
	s, err := a.service(p, r)
	if err != nil {
		return part, err
	}
	if s.installed(ctx) && s.stranger() == nil {
		keepsService = true
		if part.data, err = part.list(); err != nil {
			return part, err
		}
		part.services = []removal{{Action: "stop", What: "service", Profile: p.Name, Path: firstOf(s.unit.Path, s.unit.Name), Note: "and keep it stopped",
			do: func(ctx context.Context) error {
				if _, err := s.host.State(ctx, s.unit); errors.Is(err, servicegen.ErrNoBus) {
					return wish(p, control.WantStopped) // nothing of it runs, see holder
				}
				_, err := a.serviceStop(ctx, s, c)
				return err
			}}}
		if !slices.ContainsFunc(part.data, func(m removal) bool { return m.do != nil }) {
			part.services = nil // there is nothing for which to stop it
		} else {
			part.busy = a.mayManage(s, "stop")
		}
	}
	part.claim = func() (func(), error) { return a.claimToRemove(p) }
	return part, nil
}
