package profiles

import (
	"fmt"
	"path/filepath"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// Selection is what the command line says about the profile.
type Selection struct {
	Profile string // value of --profile, "" when absent
	Dev     bool   // --dev
}

// name is the profile that the flags name, "" if none.
func (s Selection) name() (string, error) {
	if s.Profile == "" {
		if s.Dev {
			return Dev, nil
		}
		return "", nil
	}
	name, err := ParseName(s.Profile)
	if err != nil {
		return "", fmt.Errorf("--profile: %w", err)
	}
	if s.Dev && name != Dev {
		return "", exitcode.With(exitcode.Usage, fmt.Errorf("cannot combine --dev with --profile %s", name))
	}
	return name, nil
}

// Variables that describe a gateway, beside CODERCLAW_PROFILE.
const (
	envStateDir = "CODERCLAW_STATE_DIR"
	envConfig   = "CODERCLAW_CONFIG_PATH"
	envPort     = "CODERCLAW_GATEWAY_PORT"
	envProfile  = "CODERCLAW_PROFILE"
)

// Registered tells whether the profile is one of a registry, and not a gateway
// that the environment describes.
func (p Profile) Registered() bool { return p.Name != "" }

// SelectRegistered returns the profile that the flags name, else the default
// one. The environment does not count: a service uses what the registry says.
func SelectRegistered(r *Registry, s Selection) (Profile, error) {
	name, err := s.name()
	if err != nil {
		return Profile{}, err
	}
	if name == "" {
		name = Default
	}
	return r.Get(name)
}

// Select returns the profile that is meant: the one of the flags, else of
// CODERCLAW_PROFILE, else the gateway that CODERCLAW_STATE_DIR and
// CODERCLAW_CONFIG_PATH describe, else the default one. Variables that
// contradict a named profile are an error, as silently preferring either side
// would act on the wrong gateway.
func Select(r *Registry, s Selection, env Lookup) (Profile, error) {
	vars, err := readEnv(r.home, env)
	if err != nil {
		return Profile{}, err
	}
	name, err := s.name()
	if err != nil {
		return Profile{}, err
	}
	by := "the command line"
	if name == "" && vars.profile != "" {
		name, by = vars.profile, envProfile
	}
	if name != "" {
		p, err := r.Get(name)
		if err != nil {
			return Profile{}, err
		}
		return p, vars.contradict(p, by)
	}
	if vars.stateDir == "" && vars.config == "" {
		return r.Get(Default)
	}
	p := Profile{Port: builtinBase(Default), StateDir: vars.stateDir, ConfigPath: vars.config, Drain: DefaultDrain}
	if vars.port != 0 {
		p.Port = vars.port
	}
	if p.StateDir == "" {
		p.StateDir = ruleStateDir(r.home, Default)
	}
	if p.ConfigPath == "" {
		p.ConfigPath = filepath.Join(p.StateDir, configName)
	}
	p.Workspace = filepath.Join(p.StateDir, workspaceName)
	for _, known := range r.profiles { // the variables may just spell out a profile
		if SamePlace(known.StateDir, p.StateDir) && SamePlace(known.ConfigPath, p.ConfigPath) {
			return known, nil
		}
	}
	return p, nil
}

// variables is what the environment says, validated like flags.
type variables struct {
	profile, stateDir, config string
	port                      int
}

func readEnv(home string, env Lookup) (variables, error) {
	var v variables
	var err error
	fail := func(name string, err error) (variables, error) {
		return variables{}, exitcode.With(exitcode.Usage, fmt.Errorf("%s: %w", name, err))
	}
	if text, _ := env(envProfile); text != "" {
		if v.profile, err = ParseName(text); err != nil {
			return fail(envProfile, err)
		}
	}
	if text, _ := env(envStateDir); text != "" {
		if v.stateDir, err = expand(text, home); err != nil {
			return fail(envStateDir, err)
		}
	}
	if text, _ := env(envConfig); text != "" {
		if v.config, err = expand(text, home); err != nil {
			return fail(envConfig, err)
		}
	}
	if text, _ := env(envPort); text != "" {
		if v.port, err = ParsePort(text); err != nil {
			return fail(envPort, err)
		}
	}
	return v, nil
}

// contradict returns an error when a variable says something else than p.
func (v variables) contradict(p Profile, by string) error {
	clash := func(variable, value, own string) error {
		return exitcode.With(exitcode.Usage, fmt.Errorf("%s=%s contradicts profile %s, named by %s, which has %s; unset the variable or drop the profile",
			variable, value, p.Name, by, own))
	}
	switch {
	case v.stateDir != "" && !SamePlace(v.stateDir, p.StateDir):
		return clash(envStateDir, v.stateDir, p.StateDir)
	case v.config != "" && !SamePlace(v.config, p.ConfigPath):
		return clash(envConfig, v.config, p.ConfigPath)
	case v.port != 0 && v.port != p.Port:
		return clash(envPort, fmt.Sprint(v.port), fmt.Sprint(p.Port))
	}
	return nil
}
