package main

import (
	"os"
	"sync"

	"github.com/coderclaw/coderclaw/profiles"
)

// registryCache is the registry as it was read last. A start of a gateway looks at
// it, and nearly always finds the same file. It is safe for concurrent use.
type registryCache struct {
	mu       sync.Mutex
	path     string
	info     os.FileInfo
	registry *profiles.Registry
}

// knownRegistry is registry, read again only when the file is another one. Whoever
// changes it by coderclaw makes the file anew.
func (a *app) knownRegistry() (*profiles.Registry, error) {
	return a.registryBy(func(path, home string) (*profiles.Registry, error) {
		info, err := os.Stat(path)
		if err != nil {
			return profiles.Load(path, home)
		}
		c := &a.known
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.registry != nil && c.path == path && c.registry.Home() == home && sameVersion(c.info, info) {
			return c.registry, nil
		}
		r, err := profiles.Load(path, home)
		if err != nil {
			return nil, err
		}
		c.path, c.info, c.registry = path, info, r
		return r, nil
	})
}

func sameVersion(a, b os.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
