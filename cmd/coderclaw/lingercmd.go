package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/servicegen"
)

// lingerFlag is the option of `gateway install` that answers the question about lingering.
func lingerFlag() cli.Flag {
	return &cli.BoolFlag{Name: "linger", Usage: "let your services run without a login, so that the gateway survives a logout and starts at boot"}
}

// hostOptions is what servicegen must know to find the caller's manager.
func (a *app) hostOptions() servicegen.HostOptions {
	return servicegen.HostOptions{Scope: servicegen.ScopeUser, UID: os.Getuid(), Env: servicegen.Lookup(a.env)}
}

// installWhereItCan installs the service of s on a machine on which its manager
// may be out of reach: it refuses where no manager will ever read the unit, and
// sees to lingering, without which a user's services live no longer than a login.
//
// Lingering concerns everything that the user has enabled, so it is switched on
// only when a person says so, by --linger or at a prompt.
func (a *app) installWhereItCan(ctx context.Context, s unitService, c *cli.Command) (serviceResult, error) {
	asked := c.Bool("linger")
	if s.unit.Scope == servicegen.ScopeSystem || s.host.Format() != servicegen.FormatSystemd {
		if asked {
			return serviceResult{}, usageError("--linger is for services of one user under systemd")
		}
		return a.serviceInstall(ctx, s, c)
	}
	if err := a.withoutSudo(); err != nil {
		return serviceResult{}, err
	}
	if hints := a.nobodyWillStart(ctx, s); len(hints) > 0 {
		return serviceResult{Hints: hints}, errors.New("nothing was installed: no service manager that could start it runs here; keep the supervisor up with what there is, as shown")
	}
	o := a.hostOptions()
	state, err := servicegen.Linger(ctx, o)
	if err != nil {
		return serviceResult{}, err
	}
	switchedOn := false
	if state.Off() && (asked || a.agreesToLinger(state, c.Bool("json"))) {
		if err = servicegen.EnableLinger(ctx, o); err == nil {
			state.Grade, switchedOn = servicegen.LingerOn, true
			a.awaitManager(ctx, s)
		}
	}
	res, installed := a.serviceInstall(ctx, s, c)
	if installed != nil {
		return res, installed
	}
	if switchedOn {
		res.Hints = append(res.Hints, fmt.Sprintf("Lingering is now on for %s; to switch it off: loginctl disable-linger %s", state.User, state.User))
	}
	switch {
	case err != nil && asked:
		return res, fmt.Errorf("the service is installed, but stops at logout: %w", err)
	case err != nil:
		res.Warnings = append(res.Warnings, err.Error())
	case state.Off():
		res.Warnings = append(res.Warnings, fmt.Sprintf("without lingering the gateway stops when %s logs out, and does not start at boot; to change that: %s", state.User, state.Command))
	case state.Warning != "":
		res.Warnings = append(res.Warnings, state.Warning)
	}
	return res, nil
}

// agreesToLinger asks the person at the terminal, if there is one and the answer
// would be of use.
func (a *app) agreesToLinger(s servicegen.LingerState, asJSON bool) bool {
	if s.Grade != servicegen.LingerFree || asJSON || !isTerminal(a.stdin) {
		return false
	}
	return confirm(a.stdin, a.stdout, fmt.Sprintf("Let services of %s run without a login, so that the gateway survives a logout and starts at boot (%s)?", s.User, s.Command))
}

// managerLimit is how long the manager of a user may take to come up.
const managerLimit = 30 * time.Second

// awaitManager waits for the manager that logind starts for a user who lingers.
// When it does not come, the installation that follows says so.
func (a *app) awaitManager(ctx context.Context, s unitService) {
	_ = waitUntil(ctx, managerLimit, func() (bool, error) {
		_, err := s.host.State(ctx, s.unit)
		return !errors.Is(err, servicegen.ErrNoBus), nil
	}, "")
}

// withoutSudo refuses to make a service of root's own for somebody who only put
// sudo in front: with sudo's environment it may even write into that user's home.
func (a *app) withoutSudo() error {
	caller := envValue(a.env, "SUDO_UID")
	if os.Getuid() != 0 || caller == "" || caller == "0" {
		return nil
	}
	return usageError("this would be a service of root's own; leave sudo out to install one for %s, or add --system for a service of the machine",
		firstOf(envValue(a.env, "SUDO_USER"), "user id "+caller))
}

// nobodyWillStart gives the lines that keep the supervisor up on a machine where
// no manager will ever start a unit, and nothing elsewhere.
func (a *app) nobodyWillStart(ctx context.Context, s unitService) []string {
	init := a.hostOptions().Init()
	if runtime.GOOS != "linux" || init.Later() {
		return nil
	}
	if _, err := s.host.State(ctx, s.unit); !errors.Is(err, servicegen.ErrNoBus) {
		return nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		home = "/"
	}
	return init.KeepUp(s.spec, proctable.UserName(os.Getuid()), home)
}

// whenItStarts says when a service will start that no manager could be told of.
func (a *app) whenItStarts(ctx context.Context, s unitService) string {
	init := a.hostOptions().Init()
	said := []string{"no service manager answers here, so the service is written and enabled, and starts"}
	switch {
	case init.Kind != servicegen.InitSystemd && init.WSL:
		said = append(said, "when this distribution runs systemd; to switch that on:", servicegen.WSLHint)
	case init.Kind != servicegen.InitSystemd:
		said = append(said, "when this machine is booted with systemd")
	case s.unit.Scope == servicegen.ScopeSystem:
		said = append(said, "at the next boot")
	default:
		state, err := servicegen.Linger(ctx, a.hostOptions())
		switch {
		case err == nil && state.Grade == servicegen.LingerOn:
			said = append(said, "at the next boot or login of "+state.User)
		case err == nil && state.Off():
			said = append(said, "at the next login of "+state.User)
		default:
			said = append(said, "at the next login")
		}
	}
	return strings.Join(said, " ")
}
