// Package sysevents owns the notes that wait for an agent: what happened beside its
// conversation and is to be told to it when it next runs. They are kept in memory
// only; who wakes the agent is package heartbeat's.
package sysevents

import (
	"slices"
	"strings"
	"sync"
)

// Most is how many notes wait at one time; a further one pushes out the oldest.
const Most = 20

// MaxText is the length of the longest note, in bytes.
const MaxText = 16 << 10

// Queue holds the notes for one session. The zero value is empty. It is safe for
// concurrent use.
type Queue struct {
	mu      sync.Mutex // guards waiting
	waiting []string
}

// Add queues a note, unless it is blank or says the same as the one before it.
// What is longer than MaxText is cut off there.
func (q *Queue) Add(text string) {
	if text = strings.TrimSpace(text); len(text) > MaxText {
		text = strings.ToValidUTF8(text[:MaxText], "")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := len(q.waiting); text == "" || n > 0 && q.waiting[n-1] == text {
		return
	}
	if q.waiting = append(q.waiting, text); len(q.waiting) > Most {
		q.waiting = slices.Delete(q.waiting, 0, 1)
	}
}

// List returns what waits, the oldest first. It is never nil.
func (q *Queue) List() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]string{}, q.waiting...)
}
