package supervisor

import (
	"slices"
	"sync"
)

// set is the units that are run. It is safe for concurrent use.
type set struct {
	mu    sync.Mutex
	units []*unit // in the order of the registry; replaced and never changed, as sorted
	// sorted are the names of the profiles.
	sorted []string
}

func (s *set) list() []*unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.units
}

func (s *set) put(units []*unit) {
	var names []string
	for _, u := range units {
		names = append(names, u.profile.Name)
	}
	slices.Sort(names)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.units, s.sorted = units, names
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

// names are those of the profiles that are run, sorted, for reading only.
func (s *set) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sorted
}
