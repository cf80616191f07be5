package main

import (
	"context"
	"fmt"
	"runtime"
	"strconv"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/runas"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
)

// onlyService refuses a second service for the profile of s: one of the machine
// beside one of the user, or one that would take the place of another user's.
func (a *app) onlyService(ctx context.Context, s unitService) error {
	registry := specRegistry(s.spec)
	if !s.machines() {
		there, found := a.machineUnit(s.profile.Name)
		if found && profiles.SamePlace(there.Registry, registry) {
			return exitcode.With(exitcode.Failed, fmt.Errorf("profile %s has a service of the machine already, %s, which runs as user %s, and two would fight for its port; keep that one, or remove it first with: %s",
				s.profile.Name, s.unit.Name, firstOf(there.User, "root"), a.sudoLine(verbWords(s.profile, "uninstall", "--system")...)))
		}
		return nil
	}
	if there, found := a.machineUnit(s.profile.Name); found && firstOf(there.User, "root") != s.site.account.Name {
		return exitcode.With(exitcode.Failed, fmt.Errorf("the machine has one service for profiles named %s, and it runs as user %s, not %s; give %s a profile of another name (coderclaw profiles create NAME), or remove that service first with: %s",
			s.profile.Name, firstOf(there.User, "root"), s.site.account.Name, s.site.account.Name, a.sudoLine(verbWords(s.profile, "uninstall", "--system")...)))
	}
	of, err := a.userTwin(ctx, s)
	if err != nil || of == "" {
		return err
	}
	return exitcode.With(exitcode.Failed, fmt.Errorf("profile %s has a service of user %s already, %s, and two would fight for its port; keep that one, or remove it first with: %s",
		s.profile.Name, s.site.account.Name, of, a.asAccountLine(s.site.account, verbWords(s.profile, "uninstall")...)))
}

// userTwin is the file of the service by which the account's own manager runs the
// profile of s, "" if there is none. The manager knows directories that we do not.
func (a *app) userTwin(ctx context.Context, s unitService) (string, error) {
	format := s.host.Format()
	dir, err := servicegen.UnitDir(format, servicegen.ScopeUser, servicegen.Lookup(a.env))
	if err != nil {
		return "", err
	}
	own := s.spec
	own.Scope, own.User = servicegen.ScopeUser, ""
	unit := own.Unit(dir)
	registry := specRegistry(s.spec)
	if there, found := servicegen.RunBy(format, servicegen.ScopeUser, unit.Path); found {
		if profiles.SamePlace(there.Registry, registry) {
			return unit.Path, nil
		}
		return "", nil
	}
	uid := s.site.account.UID
	host := servicegen.NativeHost(runtime.GOOS, servicegen.HostOptions{Scope: servicegen.ScopeUser, UID: uid, Env: servicegen.Lookup(a.env)})
	state, err := host.State(ctx, unit)
	if err != nil || state.LoadState != servicegen.LoadLoaded {
		return "", nil // nobody is logged in, so nothing of the user runs
	}
	if profiles.SamePlace(state.View.Runs().Registry, registry) {
		return firstOf(state.FragmentPath, unit.Name), nil
	}
	return "", nil
}

// specRegistry is the registry that a service reads.
func specRegistry(s servicegen.Spec) string {
	for _, v := range s.Env {
		if v.Name == "CODERCLAW_REGISTRY" {
			return v.Value
		}
	}
	return ""
}

// asAccountLine is a command line by which root, or whoever called sudo, has the
// account itself do something.
func (a *app) asAccountLine(account runas.Account, args ...string) string {
	words := append([]string{a.program()}, args...)
	if envValue(a.env, "SUDO_UID") != strconv.Itoa(account.UID) {
		words = append([]string{"sudo", "-iu", account.Name}, words...)
	}
	return shellLine(words)
}
