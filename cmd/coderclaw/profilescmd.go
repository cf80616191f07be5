package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/lockfile"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// profileJSON is the machine form of one profile in `profiles … --json`.
type profileJSON struct {
	Name       string   `json:"name"`
	Builtin    bool     `json:"builtin"`
	Port       int      `json:"port"`     // base of the block
	LastPort   int      `json:"lastPort"` // last port of the block
	StateDir   string   `json:"stateDir"`
	ConfigPath string   `json:"configPath"`
	Workspace  string   `json:"workspace"`
	LogDir     string   `json:"logDir"`
	Unit       string   `json:"unit"`
	Label      string   `json:"label"`
	Drain      string   `json:"drain"`
	PassEnv    []string `json:"passEnv,omitempty"`
	Isolation  string   `json:"isolation,omitempty"` // standard, strict or off; none for one that no registry knows
	Allow      []string `json:"allow,omitempty"`
	SetUp      bool     `json:"setUp"` // the config file exists
}

func toProfileJSON(p profiles.Profile) profileJSON {
	_, err := os.Stat(p.ConfigPath)
	return profileJSON{
		Name: p.Name, Builtin: profiles.IsBuiltin(p.Name), Port: p.Port, LastPort: p.Block().Last(),
		StateDir: p.StateDir, ConfigPath: p.ConfigPath, Workspace: p.Workspace, LogDir: p.LogDir(),
		Unit: p.UnitName(), Label: p.LaunchdLabel(), Drain: p.Drain.String(), PassEnv: p.PassEnv,
		Isolation: p.Isolation, Allow: p.Allow, SetUp: err == nil,
	}
}

func (a *app) profilesCommand() *cli.Command {
	jsonFlag := func() cli.Flag { return &cli.BoolFlag{Name: "json", Usage: "print JSON"} }
	return &cli.Command{
		Name:  "profiles",
		Usage: "list, show, create, copy and remove profiles",
		Commands: []*cli.Command{
			{
				Name: "list", Usage: "every profile of the registry", Flags: []cli.Flag{jsonFlag()},
				Action: func(_ context.Context, c *cli.Command) error { return a.profilesList(c.Bool("json")) },
			},
			{
				Name: "show", Usage: "everything that one profile owns", ArgsUsage: "[NAME]", Flags: []cli.Flag{jsonFlag()},
				Action: func(_ context.Context, c *cli.Command) error {
					p, err := a.oneProfile(c)
					if err != nil {
						return err
					}
					return a.printProfile(p, c.Bool("json"))
				},
			},
			{
				Name: "create", Usage: "add a profile with a free port block of its own", ArgsUsage: "NAME",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "port", Usage: "base of the port block, instead of a free one: `N`"},
					&cli.StringFlag{Name: "state-dir", Usage: "state dir, instead of ~/.coderclaw-NAME: `DIR`"},
					&cli.StringFlag{Name: "config", Usage: "config `FILE`, instead of coderclaw.json in the state dir"},
					&cli.StringFlag{Name: "workspace", Usage: "workspace `DIR`, instead of workspace in the state dir"},
					&cli.StringSliceFlag{Name: "pass-env", Usage: "hand variable `NAME` of the supervisor's environment to the gateway"},
					&cli.StringFlag{Name: "isolation", Usage: "how far the kernel isolates its gateway, standard (the default), strict or off: `MODE`"},
					&cli.StringSliceFlag{Name: "allow", Usage: "let its isolated gateway read and write `PATH` as well"},
					&cli.DurationFlag{Name: "drain", Usage: "how long a planned stop waits for runs, `TIME`"},
					jsonFlag(),
				},
				Action: a.profilesCreate,
			},
			{
				Name: "remove", Usage: "take a profile out of the registry; its data stays unless --purge", ArgsUsage: "NAME",
				Flags:  []cli.Flag{&cli.BoolFlag{Name: "purge", Usage: "delete its state dir, config and workspace too"}, jsonFlag()},
				Action: a.profilesRemove,
			},
			a.profilesCloneCommand(),
			a.profilesExportCommand(),
			a.profilesImportCommand(),
		},
	}
}

// oneProfile is the profile named by the argument, else the selected one.
func (a *app) oneProfile(c *cli.Command) (profiles.Profile, error) {
	if c.Args().Len() > 1 {
		return profiles.Profile{}, usageError("%s takes one profile, got %q", c.FullName(), c.Args().Slice())
	}
	if c.Args().Len() == 0 {
		p, _, err := a.profile()
		return p, err
	}
	r, err := a.registry()
	if err != nil {
		return profiles.Profile{}, err
	}
	name, err := profiles.ParseName(c.Args().First())
	if err != nil {
		return profiles.Profile{}, err
	}
	return r.Get(name)
}

func (a *app) profilesList(asJSON bool) error {
	r, err := a.registry()
	if err != nil {
		return err
	}
	list := make([]profileJSON, 0, len(r.List()))
	for _, p := range r.List() {
		list = append(list, toProfileJSON(p))
	}
	if asJSON {
		return a.printJSON(map[string]any{"registry": r.Path(), "profiles": list})
	}
	tw := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "PROFILE\tPORTS\tSTATE DIR\tSET UP")
	for _, p := range list {
		fmt.Fprintf(tw, "%s\t%d-%d\t%s\t%s\n", p.Name, p.Port, p.LastPort, p.StateDir, yesNo(p.SetUp))
	}
	return tw.Flush()
}

func (a *app) printProfile(p profiles.Profile, asJSON bool) error {
	j := toProfileJSON(p)
	if asJSON {
		return a.printJSON(j)
	}
	first, last := p.Block().CDP()
	tw := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintf(tw, "profile\t%s\n", firstOf(p.Name, "(described by the environment, in no registry)"))
	fmt.Fprintf(tw, "ports\t%d gateway, %d control, %d-%d browsers\n", p.Port, p.Block().Control(), first, last)
	fmt.Fprintf(tw, "state dir\t%s\n", p.StateDir)
	fmt.Fprintf(tw, "config\t%s%s\n", p.ConfigPath, map[bool]string{false: " (missing; run: " + hint(p, "setup") + ")"}[j.SetUp])
	fmt.Fprintf(tw, "workspace\t%s\n", p.Workspace)
	fmt.Fprintf(tw, "logs\t%s\n", p.LogDir())
	if p.Registered() {
		fmt.Fprintf(tw, "unit\t%s (systemd), %s (launchd)\n", p.UnitName(), p.LaunchdLabel())
	}
	fmt.Fprintf(tw, "drain\t%s\n", p.Drain)
	if len(p.PassEnv) > 0 {
		fmt.Fprintf(tw, "pass env\t%s\n", strings.Join(p.PassEnv, " "))
	}
	if p.Registered() {
		fmt.Fprintf(tw, "isolation\t%s\n", p.Isolation)
	}
	for i, path := range p.Allow {
		fmt.Fprintf(tw, "%s\t%s\n", map[bool]string{true: "allow"}[i == 0], path)
	}
	return tw.Flush()
}

func (a *app) profilesCreate(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usageError("profiles create takes one NAME, got %d", c.Args().Len())
	}
	o := profiles.CreateOptions{Change: profiles.Change{
		StateDir: c.String("state-dir"), ConfigPath: c.String("config"), Workspace: c.String("workspace"),
		PassEnv: c.StringSlice("pass-env"), Drain: c.Duration("drain"),
		Isolation: c.String("isolation"), Allow: c.StringSlice("allow"),
	}}
	if c.IsSet("port") {
		port, err := profiles.ParsePort(c.String("port"))
		if err != nil {
			return fmt.Errorf("--port: %w", err)
		}
		o.Port = port
	}
	p, err := a.createProfile(ctx, c.Args().First(), o)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return a.printJSON(toProfileJSON(p))
	}
	fmt.Fprintf(a.stdout, "created profile %s with ports %d to %d\n", p.Name, p.Port, p.Block().Last())
	fmt.Fprintf(a.stdout, "Set it up with: %s\n", hint(p, "setup"))
	return nil
}

// createProfile adds one profile, clear of the blocks of the registry and of
// those that other profiles' configs have moved elsewhere.
func (a *app) createProfile(ctx context.Context, name string, o profiles.CreateOptions) (profiles.Profile, error) {
	r, err := a.registry()
	if err != nil {
		return profiles.Profile{}, err
	}
	for _, p := range r.List() {
		if port := a.configuredPort(p); port != 0 && port != p.Port {
			o.Taken = append(o.Taken, profiles.Block{Base: port})
		}
	}
	return profiles.Create(ctx, r.Path(), r.Home(), name, o)
}

// configuredPort is the gateway.port of p's config, 0 when it has none that can be read.
func (a *app) configuredPort(p profiles.Profile) int {
	snap, err := config.Load(p.ConfigPath, func(string) (string, bool) { return "", false })
	if err != nil {
		return 0
	}
	return snap.Config.Gateway.Port
}

func (a *app) profilesRemove(ctx context.Context, c *cli.Command) error {
	if c.Args().Len() != 1 {
		return usageError("profiles remove takes one NAME, got %d", c.Args().Len())
	}
	p, err := a.oneProfile(c)
	if err != nil {
		return err
	}
	r, err := a.registry()
	if err != nil {
		return err
	}
	release, err := a.claim(p)
	if err != nil {
		return err
	}
	defer release()
	if unit, installed := a.installedUnit(ctx, p, r); installed {
		return exitcode.With(exitcode.Failed, fmt.Errorf("profile %s has the service %s; remove it first with: %s",
			p.Name, unit, hint(p, "gateway uninstall")))
	}
	if _, err := profiles.Remove(ctx, r.Path(), r.Home(), p.Name); err != nil {
		return err
	}
	var kept, gone []string
	for _, path := range ownedPaths(p) {
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		if !c.Bool("purge") {
			kept = append(kept, path)
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("profile %s is out of the registry, but its data could not be deleted: %w", p.Name, err)
		}
		gone = append(gone, path)
	}
	if c.Bool("json") {
		return a.printJSON(map[string]any{"profile": p.Name, "kept": orEmpty(kept), "deleted": orEmpty(gone)})
	}
	fmt.Fprintf(a.stdout, "removed profile %s from %s\n", p.Name, r.Path())
	for _, path := range kept {
		fmt.Fprintf(a.stdout, "kept %s (delete it with --purge, or by hand)\n", path)
	}
	for _, path := range gone {
		fmt.Fprintf(a.stdout, "deleted %s\n", path)
	}
	return nil
}

// claim makes sure that nothing runs p, and that nothing does until release is called.
func (a *app) claim(p profiles.Profile) (release func(), err error) {
	_, info, err := control.Find(p)
	if err == nil {
		return nil, exitcode.With(exitcode.Busy, fmt.Errorf("profile %s is run by supervisor pid %d%s; stop it first with: %s",
			p.Name, info.PID, unitNote(info.Unit), stopHint(p, info)))
	}
	if !errors.Is(err, control.ErrNone) {
		return nil, fmt.Errorf("profile %s: %w", p.Name, err)
	}
	if _, err := os.Stat(p.StateDir); errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	supervising, err := lockfile.TryLock(p.SupervisorLock())
	if err != nil {
		return nil, fmt.Errorf("profile %s: %w", p.Name, err)
	}
	serving, err := statelock.Take(p, statelock.Said{})
	if err != nil {
		return nil, errors.Join(err, supervising.Close())
	}
	return func() { _ = errors.Join(serving.Close(), supervising.Close()) }, nil // the files may be gone by then
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// ownedPaths are the places of p that hold data, the outer ones first.
func ownedPaths(p profiles.Profile) []string {
	out := []string{p.StateDir}
	for _, path := range []string{p.ConfigPath, p.Workspace} {
		if !strings.HasPrefix(path, p.StateDir+string(os.PathSeparator)) {
			out = append(out, path)
		}
	}
	return out
}
