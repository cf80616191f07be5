package rpc

import (
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Messages of more than maxSmall come in one after the other, but for maxLarge of them:
// what is there of a message takes memory, and the processor while it is copied and parsed.
const (
	maxSmall = 1 << 20
	maxLarge = 2
)

// Who sends a large message while others wait to send one may not be slower than minRate, in
// bytes a second, once it has had largePatience.
const (
	minRate       = 256 << 10
	largePatience = time.Second
)

// largeQuiet is how long after the last large message the memory of those goes back to the
// system: the runtime would keep it for minutes.
const largeQuiet = time.Second

// large is the places for large messages.
type large struct {
	log    *slog.Logger
	places chan struct{}
	trim   func() // gives memory back to the system

	mu    sync.Mutex // guards what follows
	turns map[*turn]struct{}
	quiet *time.Timer // calls trim; nil until the first turn ends
}

// turn is a large message that is coming in, or being looked at.
type turn struct {
	s     *Session
	since time.Time
	bytes atomic.Int64 // that have come since; math.MaxInt64 once it is complete, as it is the gateway then that takes its time
}

func newLarge(log *slog.Logger) *large {
	return &large{log: log, places: make(chan struct{}, maxLarge), trim: debug.FreeOSMemory, turns: map[*turn]struct{}{}}
}

// enter waits for a place; nil when the connection ends first. Who has one that is
// needed and sends slowly is closed.
func (l *large) enter(s *Session) *turn {
	again := time.NewTicker(largePatience)
	defer again.Stop()
	for {
		select {
		case l.places <- struct{}{}:
			t := &turn{s: s, since: time.Now()}
			l.mu.Lock()
			l.turns[t] = struct{}{}
			if l.quiet != nil {
				l.quiet.Stop()
			}
			l.mu.Unlock()
			return t
		case <-again.C:
			l.hurry()
		case <-s.finished:
			return nil
		}
	}
}

func (l *large) leave(t *turn) {
	l.mu.Lock()
	delete(l.turns, t)
	if len(l.turns) == 0 {
		if l.quiet == nil {
			l.quiet = time.AfterFunc(largeQuiet, l.trim)
		} else {
			l.quiet.Reset(largeQuiet)
		}
	}
	l.mu.Unlock()
	<-l.places
}

// hurry closes those who send too slowly.
func (l *large) hurry() {
	var slow []*Session
	l.mu.Lock()
	for t := range l.turns {
		if took := time.Since(t.since); took >= largePatience && float64(t.bytes.Load()) < took.Seconds()*minRate {
			slow = append(slow, t.s)
		}
	}
	l.mu.Unlock()
	for _, s := range slow {
		l.log.Warn("a client sends a large message so slowly that others cannot send theirs; it is closed", "conn", s.ID)
		s.shed()
		s.cut()
	}
}
