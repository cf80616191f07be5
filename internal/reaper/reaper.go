// Package reaper owns what comes to the supervisor without having been started by
// it: descendants of instances whose parents have ended. It reaps those that have
// ended, lists those that live, and ends them when told to. It never waits for
// "any child": what this program itself has started is left to whoever started it.
package reaper

// Orphan is a living process that came to us.
type Orphan struct {
	PID       int
	StartTime uint64 // as in proctable
	PGID      int    // its process group, which may be that of the instance it stems from
}
