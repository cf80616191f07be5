package supervisor

import (
	"context"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/supervisor/control"
)

// board tells watchers that something has changed. A watcher that is slow meets
// the latest status and not every one. It is safe for concurrent use.
type board struct {
	status func() control.Status

	mu      sync.Mutex // guards what follows
	version int
	wake    chan struct{} // closed at the next change; nil when nobody waits for that
}

func newBoard(status func() control.Status) *board {
	return &board{status: status}
}

func (b *board) changed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.version++
	if b.wake != nil {
		close(b.wake)
		b.wake = nil
	}
}

// A storm of changes, each of which asks for the status of all, would be quadratic. So
// the next status waits for settle times as long as the last took, within bounds.
const (
	settle      = 50
	leastSettle = time.Millisecond
	mostSettle  = 10 * time.Millisecond
)

// watch calls fn with the status now and after changes until ctx ends or fn returns an error.
func (b *board) watch(ctx context.Context, fn func(control.Status) error) error {
	return b.follow(ctx, func() error { return fn(b.status()) })
}

// follow is watch for whoever asks for the status itself.
func (b *board) follow(ctx context.Context, fn func() error) error {
	seen := -1
	for {
		b.mu.Lock()
		version := b.version
		if version == seen && b.wake == nil {
			b.wake = make(chan struct{})
		}
		wake := b.wake
		b.mu.Unlock()
		if version != seen {
			seen = version
			begun := time.Now()
			if err := fn(); err != nil {
				return err
			}
			pause := time.NewTimer(min(max(settle*time.Since(begun), leastSettle), mostSettle))
			select {
			case <-ctx.Done():
				pause.Stop()
				return ctx.Err()
			case <-pause.C:
			}
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wake:
		}
	}
}
