package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"

	"github.com/coderclaw/coderclaw/internal/buildinfo"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/internal/runas"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
)

// unitService is the service of one profile on this machine: what it should be,
// what it is called, and the manager that would run it.
type unitService struct {
	profile profiles.Profile
	site    site
	host    servicegen.Host
	unit    servicegen.Unit
	spec    servicegen.Spec
	options servicegen.SpecOptions // of which spec was made
	socket  bool                   // a socket unit stands beside the unit
	home    string                 // below which state dirs lie
}

// service finds out what the service of p would be, and where: where the verb
// says, else where one is installed; it changes nothing.
func (a *app) service(p profiles.Profile, r *profiles.Registry) (unitService, error) {
	if !p.Registered() {
		return unitService{}, usageError("a gateway described by CODERCLAW_STATE_DIR or CODERCLAW_CONFIG_PATH has no service; create a profile for it with: coderclaw profiles create NAME")
	}
	at := a.site
	if at.scope != "" {
		return a.serviceAt(at, p, r)
	}
	at.scope = servicegen.ScopeUser
	s, err := a.serviceAt(at, p, r)
	if err != nil || s.unit.Path == "" || servicegen.Observe(s.host.Format(), s.unit.Path).State != servicegen.FileMissing {
		return s, err
	}
	there, found := a.machineUnit(p.Name)
	if !found || there.Registry == "" || !profiles.SamePlace(there.Registry, r.Path()) {
		return s, nil
	}
	me := a.site.account
	if a.site.turn == nil {
		if me, err = runas.Lookup(context.Background(), strconv.Itoa(os.Getuid())); err != nil {
			return s, nil // nobody knows whose it is
		}
	}
	if me.Name != firstOf(there.User, "root") {
		return s, nil // somebody else's
	}
	at.scope, at.account = servicegen.ScopeSystem, me
	return a.serviceAt(at, p, r)
}

// serviceAt is the service of p in the hands of one manager.
func (a *app) serviceAt(at site, p profiles.Profile, r *profiles.Registry) (unitService, error) {
	exe := at.program
	if exe == "" {
		var err error
		if exe, err = proctable.Executable(a.argv0, exec.LookPath); err != nil {
			return unitService{}, err
		}
	}
	managerOf := func(uid int) servicegen.Host {
		return servicegen.NativeHost(runtime.GOOS, servicegen.HostOptions{Scope: at.scope, UID: uid, Env: servicegen.Lookup(a.env)})
	}
	host := managerOf(os.Getuid())
	switch {
	case at.turn == nil:
	case at.scope == servicegen.ScopeUser:
		host = managerOf(at.account.UID)
	default:
		host = rootHost{host, managerOf(at.account.UID), at}
	}
	s := unitService{profile: p, site: at, host: host, home: r.Home(), options: servicegen.SpecOptions{
		Format: host.Format(), Scope: at.scope, Exe: exe, RegistryPath: r.Path(), Home: a.unitHome(r.Home()),
		Version: buildinfo.Version(), User: at.account.Name,
	}}
	s.spec = servicegen.ForProfile(p, s.options)
	dir, err := servicegen.UnitDir(host.Format(), at.scope, servicegen.Lookup(a.env))
	if err != nil {
		return unitService{}, err
	}
	s.unit = s.spec.Unit(dir)
	if host.Format() == servicegen.FormatSystemd {
		socket := s.unit.SocketUnit()
		if s.socket = servicegen.Observe(servicegen.FormatSystemd, socket.Path).State != servicegen.FileMissing; s.socket {
			s.spec.Socket, s.unit.Spec.Socket = socket.Name, socket.Name
		}
	}
	return s, nil
}

// unitHome is the CODERCLAW_HOME that a service needs to find the state dirs below
// home: a manager starts it with the HOME of the account.
func (a *app) unitHome(home string) string {
	if named := envValue(a.env, "CODERCLAW_HOME"); named != "" {
		return named
	}
	uid := a.site.account.UID
	if a.site.account.Name == "" {
		uid = os.Getuid()
	}
	account, err := runas.Lookup(context.Background(), strconv.Itoa(uid))
	if err != nil || account.Home == "" || profiles.SamePlace(account.Home, home) {
		return ""
	}
	return home
}

// machines tells whether the service belongs to the machine and not to a user.
func (s unitService) machines() bool { return s.unit.Scope == servicegen.ScopeSystem }

// mayManage refuses to change a service of the machine without being root. verb is
// the one of `gateway` that would do it.
func (a *app) mayManage(s unitService, verb string) error {
	if !s.machines() || os.Getuid() == 0 {
		return nil
	}
	return exitcode.With(exitcode.Failed, fmt.Errorf("service %s belongs to the machine, so root manages it; run: %s",
		s.unit.Name, a.sudoLine(verbWords(s.profile, verb, "--system")...)))
}

// installed tells whether a service file, of whatever content, stands in the place of the profile's.
func (s unitService) installed(ctx context.Context) bool {
	if s.unit.Path != "" {
		return servicegen.Observe(s.host.Format(), s.unit.Path).State != servicegen.FileMissing
	}
	st, err := s.host.State(ctx, s.unit)
	return err == nil && st.LoadState == servicegen.LoadLoaded
}

// installedUnit names the service of p when there is one that runs it.
func (a *app) installedUnit(ctx context.Context, p profiles.Profile, r *profiles.Registry) (string, bool) {
	s, err := a.service(p, r)
	if err != nil {
		return "", false
	}
	return s.unit.Name, s.installed(ctx) && s.stranger() == nil
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
