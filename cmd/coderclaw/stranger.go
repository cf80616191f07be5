package main

import (
	"cmp"
	"fmt"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
)

// stranger says whose the service file in the place of s is when it is not this
// profile's: one that coderclaw did not write, or one that runs the profile of this
// name of another registry. What is asked for this profile must not be done to it.
func (s unitService) stranger() error {
	if s.unit.Path == "" {
		return nil
	}
	if disk := servicegen.Observe(s.host.Format(), s.unit.Path); disk.State == servicegen.FileText {
		switch servicegen.OriginOf(s.host.Format(), disk.Raw).Kind {
		case servicegen.OriginNode, servicegen.OriginOther:
			return exitcode.With(exitcode.Failed, fmt.Errorf("%s was not written by coderclaw, so nothing was done to its service; to take it over: %s",
				s.unit.Path, hint(s.profile, "gateway install --force")))
		}
	}
	return s.otherRegistry()
}

// otherRegistry says that the service file in the place of s belongs to another
// registry, whose profile of this name is another gateway. One with the same state
// dir is the same gateway: its registry was moved.
func (s unitService) otherRegistry() error {
	if s.unit.Path == "" {
		return nil
	}
	there, found := servicegen.RunBy(s.host.Format(), s.unit.Scope, s.unit.Path)
	if !found || there.Registry == "" || profiles.SamePlace(there.Registry, specRegistry(s.spec)) {
		return nil
	}
	if r, err := profiles.Peek(there.Registry, cmp.Or(there.Home, s.home)); err == nil {
		p, err := r.Get(s.profile.Name)
		if err != nil || profiles.SamePlace(p.StateDir, s.profile.StateDir) {
			return nil // it runs nothing, or the same
		}
	}
	return exitcode.With(exitcode.Failed, fmt.Errorf("%s runs profile %s of another registry, %s; to act on that one set CODERCLAW_REGISTRY=%s, to have the service for this registry say --force, or choose another name for this profile",
		s.unit.Path, s.profile.Name, there.Registry, shellLine([]string{there.Registry})))
}
