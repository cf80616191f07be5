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
	client, early, err := control.Find(profiles.ByRule(home))
	if err != nil {
		return askNow
	}
	answer := sync.OnceValues(client.AskStatus(ctx))
	return func(ctx context.Context, client *control.Client, info control.LockInfo) (control.Status, error) {
		if info.PID == early.PID && info.StartTime == early.StartTime && info.Socket == early.Socket {
			return answer()
		}
		return client.Status(ctx)
	}
}
