package main

import (
	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/profiles"
)

// registry loads the registry that the environment names.
func (a *app) registry() (*profiles.Registry, error) { return a.registryBy(profiles.Load) }

// shownRegistry is registry for verbs that only show what supervisors run.
func (a *app) shownRegistry() (*profiles.Registry, error) { return a.registryBy(profiles.Peek) }

func (a *app) registryBy(load func(path, home string) (*profiles.Registry, error)) (*profiles.Registry, error) {
	path, err := profiles.RegistryPath(profiles.Lookup(a.env))
	if err != nil {
		return nil, err
	}
	home, err := profiles.Home(profiles.Lookup(a.env))
	if err != nil {
		return nil, err
	}
	return load(path, home)
}

func (a *app) selection() profiles.Selection {
	return profiles.Selection{Profile: a.profileFlag, Dev: a.devFlag}
}

// profileFlagHere lets a verb take --profile behind its own name too.
func profileFlagHere() cli.Flag {
	return &cli.StringFlag{Name: "profile", Usage: "act on profile `NAME`, as before the verb"}
}

// takeProfile makes a --profile behind the verb count as if it stood before it.
func (a *app) takeProfile(c *cli.Command) error {
	name := c.String("profile")
	if name == "" {
		return nil
	}
	if a.profileFlag != "" && a.profileFlag != name {
		return usageError("--profile is given twice, as %s and as %s; choose one", a.profileFlag, name)
	}
	a.profileFlag = name
	return nil
}

// profile is the gateway that the flags and the environment mean; it may be one
// that no registry knows.
func (a *app) profile() (profiles.Profile, *profiles.Registry, error) {
	r, err := a.registry()
	if err != nil {
		return profiles.Profile{}, nil, err
	}
	p, err := profiles.Select(r, a.selection(), profiles.Lookup(a.env))
	return p, r, err
}

// registered is the profile that a service or a supervisor is to run: flags
// count, the environment's paths and port do not.
func (a *app) registered() (profiles.Profile, *profiles.Registry, error) {
	r, err := a.registry()
	if err != nil {
		return profiles.Profile{}, nil, err
	}
	p, err := profiles.SelectRegistered(r, a.selection())
	return p, r, err
}

// named are the profiles named as arguments, else the selected one when a
// profile flag was given, else all of the registry.
func (a *app) named(r *profiles.Registry, names []string) ([]profiles.Profile, error) {
	if len(names) == 0 {
		if a.profileFlag == "" && !a.devFlag {
			return r.List(), nil
		}
		p, err := profiles.SelectRegistered(r, a.selection())
		return []profiles.Profile{p}, err
	}
	seen := map[string]bool{}
	var out []profiles.Profile
	for _, name := range names {
		name, err := profiles.ParseName(name)
		if err != nil {
			return nil, err
		}
		p, err := r.Get(name)
		if err != nil {
			return nil, err
		}
		if !seen[name] {
			seen[name] = true
			out = append(out, p)
		}
	}
	return out, nil
}

// hint is a command line for people that acts on p.
func hint(p profiles.Profile, verb string) string { return "coderclaw " + p.Flag() + verb }
