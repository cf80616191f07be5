package main

import "github.com/coderclaw/coderclaw/internal/proctable"

// holders is who listens on some ports, looked up at once: who holds a socket is found
// by a walk through every descriptor of the machine, which is not to be made for each port.
type holders struct {
	asked map[int]bool
	on    map[int][]proctable.Listener
	err   error
}

func holdersOf(ports []int) *holders {
	h := &holders{asked: map[int]bool{}}
	for _, p := range ports {
		h.asked[p] = true
	}
	h.on, h.err = proctable.ListenersOn(ports)
	return h
}

// listeners returns who listens on a port: as it was looked up before, else as it is.
func (h *holders) listeners(port int) ([]proctable.Listener, error) {
	if h == nil || !h.asked[port] {
		return proctable.Listeners(port)
	}
	return h.on[port], h.err
}
