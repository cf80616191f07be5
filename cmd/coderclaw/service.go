package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	"github.com/coderclaw/coderclaw/internal/buildinfo"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
)

// service is the service of one profile on this machine: what it should be,
// what it is called, and the manager that would run it.
type unitService struct {
	profile profiles.Profile
	host    servicegen.Host
	unit    servicegen.Unit
	spec    servicegen.Spec
}

// service finds out what the service of p would be; it changes nothing.
func (a *app) service(p profiles.Profile, r *profiles.Registry) (unitService, error) {
	if !p.Registered() {
		return unitService{}, usageError("a gateway described by CODERCLAW_STATE_DIR or CODERCLAW_CONFIG_PATH has no service; create a profile for it with: coderclaw profiles create NAME")
	}
	exe, err := proctable.Executable(a.argv0, exec.LookPath)
	if err != nil {
		return unitService{}, err
	}
	host := servicegen.NativeHost(runtime.GOOS, servicegen.HostOptions{Scope: servicegen.ScopeUser, UID: os.Getuid(), Env: servicegen.Lookup(a.env)})
	spec := servicegen.ForProfile(p, servicegen.SpecOptions{
		Format: host.Format(), Exe: exe, RegistryPath: r.Path(), Home: envValue(a.env, "CODERCLAW_HOME"), Version: buildinfo.Version(),
	})
	dir, err := servicegen.UnitDir(host.Format(), servicegen.ScopeUser, servicegen.Lookup(a.env))
	if err != nil {
		return unitService{}, err
	}
	return unitService{profile: p, host: host, unit: spec.Unit(dir), spec: spec}, nil
}

// installed tells whether a service file, of whatever content, stands in the place of the profile's.
func (s unitService) installed(ctx context.Context) bool {
	if s.unit.Path != "" {
		return servicegen.Observe(s.host.Format(), s.unit.Path).State != servicegen.FileMissing
	}
	st, err := s.host.State(ctx, s.unit)
	return err == nil && st.LoadState == servicegen.LoadLoaded
}

// installedUnit names the service of p when there is one.
func (a *app) installedUnit(ctx context.Context, p profiles.Profile, r *profiles.Registry) (string, bool) {
	s, err := a.service(p, r)
	if err != nil {
		return "", false
	}
	return s.unit.Name, s.installed(ctx)
}

// words are how this platform calls a service and its two conditions (spec of the family's CLI).
type words struct{ noun, on, off string }

func (s unitService) words() words {
	switch s.host.Format() {
	case servicegen.FormatSystemd:
		return words{"systemd", "enabled", "disabled"}
	case servicegen.FormatLaunchd:
		return words{"LaunchAgent", "loaded", "not loaded"}
	default:
		return words{"service", "registered", "missing"}
	}
}

// state asks the manager; a manager that does not answer gives a zero state and the error.
func (s unitService) state(ctx context.Context) (servicegen.State, error) {
	st, err := s.host.State(ctx, s.unit)
	if err != nil {
		return servicegen.State{}, fmt.Errorf("service %s: %w", s.unit.Name, err)
	}
	return st, nil
}
