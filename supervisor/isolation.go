package supervisor

import (
	"path/filepath"

	"github.com/coderclaw/coderclaw/internal/handoff"
	"github.com/coderclaw/coderclaw/profiles"
)

// isolation is what the gateway of p is told about how to wall itself off. What
// belongs to another profile is hidden whether or not this supervisor runs it.
func (s *Supervisor) isolation(p profiles.Profile) handoff.Isolation {
	return handoff.Isolation{Mode: p.Isolation, Home: s.o.Home, Allow: p.Allow, ReadOnly: []string{registryPlace(s.o.RegistryPath)},
		Deny: s.hidden(p)}
}

// hidden are the places of other profiles that hiding the home does not cover.
func (s *Supervisor) hidden(p profiles.Profile) []string {
	t := s.territory.Load()
	if t == nil {
		t = profiles.NewTerritory(s.o.Home, s.o.Siblings)
		s.territory.Store(t)
	}
	return t.Hidden(p)
}

// registryPlace is what a tool must see to find its own supervisor. It holds no
// secret, and to change it would be to lift the isolation. Every edit makes the
// file anew, so its directory is shown where that is there for nothing else.
func registryPlace(registry string) string {
	if dir := filepath.Dir(registry); filepath.Base(dir) == "coderclaw" {
		return dir
	}
	return registry
}
