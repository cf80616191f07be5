package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/internal/runas"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
)

// site is in whose hands a service is. The zero value means that it is found by
// where the unit is installed: with the caller's own manager, else with the
// machine's, as long as that one runs the profile as the caller.
type site struct {
	scope   servicegen.Scope
	account runas.Account // in system scope: as whom the service runs
	turn    *runas.Switch // between root and the account, nil when the caller is the account
	program string        // that the service starts, "" when it is still to be found
}

// systemFlags are the options of the verbs that can act on a service of the machine.
func systemFlags(choosesUser bool) []cli.Flag {
	flags := []cli.Flag{&cli.BoolFlag{Name: "system", Usage: "act on the service of the machine, which runs without a login"}}
	if choosesUser {
		flags = append(flags, &cli.StringFlag{Name: "user", Usage: "with --system: run the service as user `NAME`; without it as whoever calls sudo"})
	}
	return flags
}

// within runs do for the service that c means. In system scope root acts as the
// account of the service meanwhile, with that account's home and registry, and is
// root only where that is said (see asRoot).
func (a *app) within(ctx context.Context, c *cli.Command, verb string, do func() error) error {
	if c.String("user") != "" && !c.Bool("system") {
		return usageError("--user is for --system: a user's own service always runs as that user")
	}
	at, err := a.where(ctx, c, verb)
	if err != nil {
		return err
	}
	a.site = at
	if at.account.Name != "" && os.Getuid() == 0 {
		a.env = accountEnv(at.account, a.env)
	}
	return at.asUser(do)
}

// where decides scope and account.
func (a *app) where(ctx context.Context, c *cli.Command, verb string) (site, error) {
	system := c.Bool("system")
	switch {
	case system && runtime.GOOS == "windows":
		return site{}, usageError("--system: services of this system always belong to the machine; leave it out")
	case !system && verb == "install":
		return site{scope: servicegen.ScopeUser}, nil
	case !system && os.Getuid() != 0:
		return site{}, nil // see service
	case system && verb == "install" && os.Getuid() != 0:
		return site{}, a.needsRoot("a service of the machine is installed by root")
	}
	name, err := a.serviceName()
	if err != nil {
		return site{}, err
	}
	there, found := a.machineUnit(name)
	if !system {
		if dir, err := servicegen.UnitDir(nativeFormat(), servicegen.ScopeUser, servicegen.Lookup(a.env)); err == nil &&
			servicegen.Observe(nativeFormat(), unitIn(dir, name)).State != servicegen.FileMissing {
			return site{}, nil
		}
		if !found {
			return site{}, nil
		}
	}
	account, err := a.accountFor(ctx, c.String("user"), verb, there, found)
	if err != nil {
		return site{}, err
	}
	at := site{scope: servicegen.ScopeSystem, account: account}
	if verb == "doctor" && !system {
		at.scope = "" // each profile's is found by itself
	}
	switch {
	case os.Getuid() == account.UID:
		return at, nil
	case os.Getuid() != 0:
		return at, a.needsRoot(fmt.Sprintf("the service of the machine for profile %s runs as user %s", name, account.Name))
	}
	if at.program, err = proctable.Executable(a.argv0, exec.LookPath); err != nil { // the account may not see it
		return at, err
	}
	at.turn, err = runas.NewSwitch(account)
	return at, err
}

// accountFor is as whom a service of the machine runs, or is to run.
func (a *app) accountFor(ctx context.Context, named, verb string, there servicegen.Runs, found bool) (runas.Account, error) {
	caller := ""
	for _, v := range []string{"SUDO_UID", "PKEXEC_UID", "DOAS_USER"} {
		caller = cmp.Or(caller, envValue(a.env, v))
	}
	if caller == "0" || caller == "root" {
		caller = "" // root is never meant by default
	}
	who := named
	switch {
	case named != "":
	case verb == "install" && caller != "":
		who = caller
	case found && there.User == "" && caller != "":
		who = caller // ours always name a user: that line is gone, and root must not come of it
	case found:
		who = cmp.Or(there.User, "root")
	case os.Getuid() != 0:
		who = strconv.Itoa(os.Getuid())
	case verb == "install":
		return runas.Account{}, usageError("say as whom the service is to run: --user NAME (root only if you name it)")
	default:
		who = cmp.Or(caller, "root")
	}
	account, err := runas.Lookup(ctx, who)
	if err != nil {
		return account, usageError("%v", err)
	}
	if !filepath.IsAbs(account.Home) {
		return account, fmt.Errorf("user %s has no home directory (%q), in which profiles lie", account.Name, account.Home)
	}
	return account, nil
}

// serviceName is the profile that the flags mean, before any registry is read:
// which registry that is depends on whose service it is.
func (a *app) serviceName() (string, error) {
	switch {
	case a.profileFlag != "":
		name, err := profiles.ParseName(a.profileFlag)
		if err != nil {
			return "", fmt.Errorf("--profile: %w", err)
		}
		return name, nil
	case a.devFlag:
		return profiles.Dev, nil
	}
	return profiles.Default, nil
}

// machineUnit reads what the service of the machine for a profile of that name
// runs, if there is one of ours.
func (a *app) machineUnit(name string) (servicegen.Runs, bool) {
	dir, err := servicegen.UnitDir(nativeFormat(), servicegen.ScopeSystem, servicegen.Lookup(a.env))
	if err != nil || dir == "" {
		return servicegen.Runs{}, false
	}
	return servicegen.RunBy(nativeFormat(), servicegen.ScopeSystem, unitIn(dir, name))
}

// unitIn is the path of the service file of a profile in dir.
func unitIn(dir, name string) string {
	s := servicegen.ForProfile(profiles.Profile{Name: name}, servicegen.SpecOptions{Format: nativeFormat()})
	return s.Unit(dir).Path
}

func nativeFormat() servicegen.Format {
	switch runtime.GOOS {
	case "darwin":
		return servicegen.FormatLaunchd
	case "windows":
		return servicegen.FormatKardianos
	}
	return servicegen.FormatSystemd
}

// accountEnv is the environment of an account, as far as it decides where things
// lie. What names a registry by itself was given on purpose and stays.
func accountEnv(acct runas.Account, env lookupEnv) lookupEnv {
	own := map[string]string{"HOME": acct.Home, "USER": acct.Name, "LOGNAME": acct.Name}
	if dir := "/run/user/" + strconv.Itoa(acct.UID); runtime.GOOS == "linux" {
		own["XDG_RUNTIME_DIR"] = dir
	}
	hidden := map[string]bool{"XDG_CONFIG_HOME": true, "XDG_DATA_HOME": true, "XDG_STATE_HOME": true, "XDG_CACHE_HOME": true,
		"DBUS_SESSION_BUS_ADDRESS": true, "USERPROFILE": true}
	return func(name string) (string, bool) {
		if v, ok := own[name]; ok {
			return v, true
		}
		if hidden[name] {
			return "", false
		}
		return env(name)
	}
}

// asRoot runs do with the rights that managing a service of the machine takes.
func (x site) asRoot(do func() error) error {
	if x.turn == nil {
		return do()
	}
	return x.turn.AsRoot(do)
}

// asUser runs do as the account of the service, from within asRoot.
func (x site) asUser(do func() error) error {
	if x.turn == nil {
		return do()
	}
	return x.turn.AsUser(do)
}
