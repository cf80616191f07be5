package rpc

// maxHeld bounds what the gateway holds for all clients together: what waits for them
// or is being written, and what they have sent of requests that are not answered. A
// thousand clients that do not read could hold 50 GB by the bound for each alone.
// It leaves room for the worst that one client may hold, several times.
const maxHeld = 256 << 20

// relieve closes the client that holds the most, and the next, while all together hold
// too much. The caller holds no lock.
func (h *Hub) relieve() {
	if h.held.Load() <= h.maxHeld {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.relieveLocked()
}

func (h *Hub) relieveLocked() {
	for {
		over := h.held.Load() - h.maxHeld
		if over <= 0 {
			return
		}
		var most *Session
		for s := range h.sessions {
			if s.ended() {
				over -= s.held.Load() // about to be let go of
			} else if most == nil || s.held.Load() > most.held.Load() {
				most = s
			}
		}
		if over <= 0 || most == nil {
			return
		}
		h.log.Warn("clients hold too much memory together; the one that holds the most is closed", "conn", most.ID, "bytes", most.held.Load())
		most.shed()
	}
}

// ended tells whether the connection is about to end.
func (s *Session) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ending != nil
}

// shed closes the connection at once, without what waits for it and without waiting
// for what it is sending.
func (s *Session) shed() {
	s.mu.Lock()
	s.shedLocked()
	reading := s.held.Load() > s.out.bytes
	s.mu.Unlock()
	if reading {
		s.cut()
	}
}
