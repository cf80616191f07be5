package supervisor

import (
	"slices"
	"sync"
)

// set is the units that are run. It is safe for concurrent use.
type set struct {
	mu    sync.Mutex
	units []*unit // in the order of the registry; replaced and never changed
}

func (s *set) list() []*unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.units
}

func (s *set) put(units []*unit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.units = units
}

// find returns the unit of that profile, nil if it is not run.
func (s *set) find(profile string) *unit {
	for _, u := range s.list() {
		if u.profile.Name == profile {
			return u
		}
	}
	return nil
}

// names are those of the profiles that are run, sorted.
func (s *set) names() []string {
	var names []string
	for _, u := range s.list() {
		names = append(names, u.profile.Name)
	}
	slices.Sort(names)
	return names
}
