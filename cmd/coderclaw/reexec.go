package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

func (a *app) reexecCommand() *cli.Command {
	return &cli.Command{
		Name: "reexec", Usage: "have supervisors run the program file as it is now, with the gateways that they have", ArgsUsage: "[PROFILE...]",
		Description: "The supervisor is replaced in its place: same pid, same listeners, same gateways, and no client notices. Where it was\n" +
			"started for single profiles it goes on with those that the registry still has, else with all; gateways of profiles that\n" +
			"are gone are ended. Only on Linux.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "takes", Usage: "exit 0 if this program can take over from a supervisor that hands over in version `N`"},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if v := c.Int("takes"); v != 0 {
				if v != supervisor.HandoverVersion {
					return fmt.Errorf("this program takes over in version %d, not in %d", supervisor.HandoverVersion, v)
				}
				return nil
			}
			return a.reexec(ctx, c.Args().Slice())
		},
	}
}

// reexec replaces each supervisor that holds one of the named profiles.
func (a *app) reexec(ctx context.Context, names []string) error {
	r, err := a.registry()
	if err != nil {
		return err
	}
	ps, err := a.named(r, names)
	if err != nil {
		return err
	}
	done := map[int]bool{}
	var failed []error
	for _, p := range ps {
		client, info, err := control.Find(p)
		switch {
		case errors.Is(err, control.ErrNone) && len(names) > 0:
			failed = append(failed, exitcode.With(exitcode.NotRunning, fmt.Errorf("no supervisor runs profile %s; start one with: coderclaw up %s", p.Name, p.Name)))
			continue
		case errors.Is(err, control.ErrNone) || done[info.PID]:
			continue
		case err != nil:
			failed = append(failed, err)
			continue
		}
		done[info.PID] = true
		before, after, err := client.Reexec(ctx)
		if err != nil {
			failed = append(failed, exitcode.With(exitcode.Failed, err))
			continue
		}
		fmt.Fprintf(a.stdout, "supervisor pid %d of %s: version %s became %s\n", after.PID, strings.Join(after.Profiles, ", "), before.Version, after.Version)
	}
	if len(done) == 0 && len(failed) == 0 {
		return exitcode.With(exitcode.NotRunning, errors.New("no supervisor is running; start one with: coderclaw up"))
	}
	if len(failed) == 1 {
		return failed[0]
	}
	return errors.Join(failed...)
}

// inherited is what the supervisor whose place this one takes has left, nil if
// there was none. The variable that tells is taken out of the environment.
func (a *app) inherited() (*supervisor.Inherited, error) {
	value, ok := a.env(supervisor.EnvReexec)
	if !ok {
		return nil, nil
	}
	if err := os.Unsetenv(supervisor.EnvReexec); err != nil {
		return nil, err
	}
	return supervisor.Inherit(value)
}

// activated are the sockets that the service manager has handed over, or has to the
// predecessor. The variables that tell are taken out of the environment, since no
// process that is started from here has those descriptors.
func (a *app) activated(in *supervisor.Inherited) (*supervisor.Activated, error) {
	sockets, err := supervisor.Activate(in, a.env)
	for _, name := range []string{supervisor.EnvListenPID, supervisor.EnvListenFDs, supervisor.EnvListenNames} {
		err = errors.Join(err, os.Unsetenv(name))
	}
	return sockets, err
}

// stillNamed are the named profiles. Those that a predecessor runs, and that the
// registry has no more, are left out as long as another is left.
func (a *app) stillNamed(r *profiles.Registry, names, running []string) ([]profiles.Profile, error) {
	var left []string
	for _, name := range names {
		_, err := r.Get(strings.ToLower(name))
		if _, gone := errors.AsType[*profiles.UnknownError](err); !gone || !slices.Contains(running, strings.ToLower(name)) {
			left = append(left, name)
		}
	}
	if len(left) == 0 && len(names) > 0 {
		return a.named(r, names) // says what is wrong
	}
	return a.named(r, left)
}

// successorTime bounds the question whether another program could take over.
const successorTime = 5 * time.Second

// successor asks the program file of o, as it is now, whether it can take over,
// and looks whether it would find something to run.
func (a *app) successor(o supervisor.Options, choose func(r *profiles.Registry, running []string) ([]profiles.Profile, error)) func(context.Context) error {
	var running []string
	for _, p := range o.Profiles {
		running = append(running, p.Name)
	}
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, successorTime)
		defer cancel()
		cmd := exec.CommandContext(ctx, o.Exe, "supervisor", "reexec", "--takes", strconv.Itoa(supervisor.HandoverVersion))
		cmd.Env = o.Environ
		cmd.WaitDelay = time.Second
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s cannot take over: %w: %s", o.Exe, err, shortened(out))
		}
		r, err := a.registry()
		if err != nil {
			return err
		}
		_, err = choose(r, running)
		return err
	}
}

// shortened is the beginning of what a program printed, in one line.
func shortened(out []byte) string {
	text := oneLine(string(out[:min(len(out), 1000)]))
	return strings.ToValidUTF8(text[:min(len(text), 200)], "")
}
