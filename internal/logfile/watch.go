package logfile

import (
	"context"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	pollEvery = time.Second           // for directories that do not report changes, or do not exist yet
	settle    = 10 * time.Millisecond // changes that come that close together are looked at together
)

// watch waits for changes of a directory. Where the system does not report them,
// a look each second has to do.
type watch struct {
	dir  string
	w    *fsnotify.Watcher // nil where there is none to be had
	tick *time.Ticker
}

// newWatch watches nothing before attach is called.
func newWatch(dir string) *watch {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		w = nil // out of descriptors or watches: the tick is left
	}
	return &watch{dir, w, time.NewTicker(pollEvery)}
}

// attach begins to watch the directory if it is there and not watched. What
// happens after it is reported by wait.
func (w *watch) attach() {
	if w.w != nil && len(w.w.WatchList()) == 0 {
		_ = w.w.Add(w.dir) // tried again with each tick
	}
}

// wait returns when the directory may have changed, or with the error of ctx.
func (w *watch) wait(ctx context.Context) error {
	var events <-chan fsnotify.Event
	var errs <-chan error
	if w.w != nil {
		events, errs = w.w.Events, w.w.Errors
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-w.tick.C:
		return nil
	case <-errs: // changes were missed
		return nil
	case <-events:
	}
	timer := time.NewTimer(settle)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return nil
		case <-errs:
		case <-events:
		}
	}
}

// close ends the watch and waits for what it started.
func (w *watch) close() {
	w.tick.Stop()
	if w.w != nil {
		_ = w.w.Close() // nothing was written through it
	}
}
