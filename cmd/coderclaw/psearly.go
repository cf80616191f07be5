package main

import (
	"context"
	"sync"

	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// asker asks the supervisor that was found with info for its status.
type asker func(ctx context.Context, client *control.Client, info control.LockInfo) (control.Status, error)

// askNow asks when it is called.
func askNow(ctx context.Context, client *control.Client, _ control.LockInfo) (control.Status, error) {
	return client.Status(ctx)
}

// askEarly asks the supervisor of the default profile at once, which on most machines runs
// all: its answer takes about as long as reading the registry, and the two need not wait for each
// other. What it returns has that answer where that supervisor is found, and asks all others.
func askEarly(ctx context.Context, home string) asker {
	type found struct {
		client *control.Client
		info   control.LockInfo
	}
	find := sync.OnceValue(func() (f found) {
		if client, info, err := control.Find(profiles.ByRule(home)); err == nil {
			f = found{client, info}
		}
		return f
	})
	ask := sync.OnceValues(func() (control.Status, error) { return find().client.Status(ctx) })
	go func() {
		if find().client != nil {
			_, _ = ask() // kept for whoever finds this supervisor
		}
	}()
	return func(ctx context.Context, client *control.Client, info control.LockInfo) (control.Status, error) {
		if f := find(); f.client != nil && f.info.PID == info.PID && f.info.StartTime == info.StartTime && f.info.Socket == info.Socket {
			return ask()
		}
		return client.Status(ctx)
	}
}
