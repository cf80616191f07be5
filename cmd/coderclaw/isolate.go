package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/internal/confine"
	"github.com/coderclaw/coderclaw/internal/handoff"
	"github.com/coderclaw/coderclaw/profiles"
)

// isolate walls this process, the gateway of p, off as its supervisor says. What
// it starts later inherits that.
func (a *app) isolate(p profiles.Profile, i handoff.Isolation) (*protocol.Isolation, error) {
	person := envValue(a.env, "HOME")
	home := cmp.Or(i.Home, person) // a supervisor that is older than this program says nothing of all this
	policy := confine.Policy{
		Mode:  cmp.Or(confine.Mode(i.Mode), confine.Standard),
		Homes: []string{home}, Allow: i.Allow, ReadWrite: p.Owned(home), Temp: p.TempDir(), ReadOnly: i.ReadOnly, Deny: i.Deny,
	}
	if person != "" && person != home { // the registry can be given a home of its own
		policy.Homes = append(policy.Homes, person)
	}
	if dir := envValue(a.env, "GOCOVERDIR"); dir != "" {
		policy.ReadWrite = append(policy.ReadWrite, dir) // a test wants to learn what ran
	}
	r, err := confine.Apply(policy)
	if err != nil {
		return nil, fmt.Errorf("%w; the registry asks for it by isolation = %q", err, policy.Mode)
	}
	return &protocol.Isolation{Mode: string(r.Mode), Landlock: r.Landlock,
		Applied: append([]string{}, r.Applied...), Missing: append([]string{}, r.Missing...)}, nil
}

// logIsolation tells once what the isolation came to.
func logIsolation(ctx context.Context, log *slog.Logger, i *protocol.Isolation) {
	level := slog.LevelInfo
	if len(i.Missing) > 0 {
		level = slog.LevelWarn
	}
	log.Log(ctx, level, "isolation", "mode", i.Mode, "landlock", i.Landlock, "applied", i.Applied, "missing", i.Missing)
}
