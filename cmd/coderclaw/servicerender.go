package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/buildinfo"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/internal/runas"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
)

func (a *app) serviceCommand() *cli.Command {
	targets := make([]string, 0, len(servicegen.Targets()))
	for _, t := range servicegen.Targets() {
		targets = append(targets, string(t))
	}
	return &cli.Command{
		Name:  "service",
		Usage: "show service files without installing them",
		Commands: []*cli.Command{{
			Name: "render", Usage: "print the profile's service file, of this or another system",
			Description: "\nIt changes nothing. Paths are this machine's; for another kind of system they are turned into the like, to be looked over.",
			Flags: []cli.Flag{
				profileFlagHere(),
				&cli.StringFlag{Name: "target", Usage: "the `KIND` of file: " + strings.Join(targets, ", ") + "; this machine's when absent"},
				&cli.StringFlag{Name: "user", Usage: "the `ACCOUNT` that a service of the machine runs as; the caller of sudo, else your own"},
				&cli.StringFlag{Name: "exe", Usage: "the `PROGRAM` that the service starts; this one when absent"},
				&cli.BoolFlag{Name: "socket", Usage: "have a socket unit hold the ports of a systemd service"},
				&cli.BoolFlag{Name: "explain", Usage: "say for each sandboxing directive of systemd why it is set or left out"},
				&cli.BoolFlag{Name: "json", Usage: "print JSON"},
			},
			Action: func(ctx context.Context, c *cli.Command) error {
				if err := a.takeProfile(c); err != nil {
					return err
				}
				return a.serviceRender(ctx, c)
			},
		}},
	}
}

func (a *app) serviceRender(ctx context.Context, c *cli.Command) error {
	target := servicegen.NativeTarget(runtime.GOOS)
	if t := c.String("target"); t != "" {
		target = servicegen.Target(t)
	}
	o := servicegen.SpecOptions{Version: buildinfo.Version(), User: c.String("user"), Exe: c.String("exe")}
	account, err := a.renderAccount(ctx, target, o.User)
	if err != nil {
		return err
	}
	env := profiles.Lookup(a.env)
	if account.other {
		env = account.lookup
	}
	if target.Machine() {
		o.User = account.name
	}
	if o.RegistryPath, err = profiles.RegistryPath(env); err != nil {
		return err
	}
	home, err := profiles.Home(env)
	if err != nil {
		return err
	}
	r, err := profiles.Load(o.RegistryPath, home)
	if err != nil {
		return err
	}
	p, err := profiles.SelectRegistered(r, a.selection())
	if err != nil {
		return err
	}
	if !p.Registered() {
		return usageError("a gateway outside the registry has no service; create a profile for it with: coderclaw profiles create NAME")
	}
	if o.Exe == "" {
		if o.Exe, err = proctable.Executable(a.argv0, exec.LookPath); err != nil {
			return err
		}
	}
	if !account.other {
		o.Home = a.unitHome(home)
	}
	if c.Bool("socket") || target == servicegen.TargetSystemdSocket {
		if o.Listen, err = listenAddrs(ctx, p, env); err != nil {
			return err
		}
	}
	d, err := target.Define(p, o, servicegen.Lookup(env))
	if err != nil {
		return usageError("%v", err)
	}
	if c.Bool("json") {
		out := struct {
			servicegen.Definition
			Directives []servicegen.Choice `json:"directives,omitempty"`
		}{Definition: d}
		if c.Bool("explain") {
			out.Directives = target.Choices(p, o)
		}
		return a.printJSON(out)
	}
	fmt.Fprint(a.stdout, d.Text)
	if c.Bool("explain") {
		for _, choice := range target.Choices(p, o) {
			fmt.Fprintf(a.stdout, "# %s\n", choice)
		}
	}
	return nil
}

// listenAddrs are the addresses that the gateway of p listens on.
func listenAddrs(ctx context.Context, p profiles.Profile, env profiles.Lookup) ([]netip.AddrPort, error) {
	if _, err := os.Stat(p.ConfigPath); errors.Is(err, fs.ErrNotExist) { // not set up yet: what setup would give it
		return []netip.AddrPort{
			netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(p.Port)),
			netip.AddrPortFrom(netip.IPv6Loopback(), uint16(p.Port)),
		}, nil
	}
	lookup, _, err := config.Environment(p, env)
	if err != nil {
		return nil, err
	}
	check, err := config.CheckProfile(ctx, p, lookup)
	if err != nil {
		return nil, fmt.Errorf("what profile %s listens on: %w", p.Name, err)
	}
	return check.Addrs, nil
}

// renderedAccount is the account that a rendered service runs as.
type renderedAccount struct {
	name, home string
	other      bool // not the one that asks
}

// renderAccount finds the account: the one named, the caller of sudo, one's own.
// One that this machine does not know has its home where such systems put it.
func (a *app) renderAccount(ctx context.Context, t servicegen.Target, named string) (renderedAccount, error) {
	if named == "" && !t.Machine() {
		return renderedAccount{}, nil
	}
	own, err := user.Current()
	if err != nil {
		return renderedAccount{}, fmt.Errorf("who runs this: %w", err)
	}
	name := cmp.Or(named, envValue(a.env, "SUDO_USER"), own.Username)
	if named == "" && name == "root" {
		return renderedAccount{}, usageError("a service of the machine runs as root only when that is said: name the account with --user")
	}
	acc := renderedAccount{name: name, other: name != own.Username}
	if known, err := runas.Lookup(ctx, name); err == nil {
		acc.home = known.Home
		return acc, nil
	}
	top := "/home"
	if t == servicegen.TargetLaunchAgent || t == servicegen.TargetLaunchDaemon {
		top = "/Users"
	}
	acc.home = filepath.Join(top, name)
	return acc, nil
}

// lookup is the environment in which that account would look for its registry.
func (r renderedAccount) lookup(name string) (string, bool) {
	if name == "HOME" {
		return r.home, true
	}
	return "", false
}
