// Package configview owns the method config.get: the config as it is on disk,
// checked, and with its secrets replaced. It writes nothing.
package configview

import (
	"context"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// Feature reads the config anew for each request.
type Feature struct {
	load func() (*config.Snapshot, error)
}

// New returns the feature; load reads the gateway's config.
func New(load func() (*config.Snapshot, error)) *Feature { return &Feature{load} }

// Register adds the method config.get.
func (f *Feature) Register(m *rpc.Mux) {
	rpc.Handle(m, "config.get", rpc.ScopeRead, func(context.Context, *rpc.Session, protocol.Empty) (protocol.ConfigSnapshot, error) {
		snap, err := f.load()
		if err != nil {
			return protocol.ConfigSnapshot{}, err
		}
		return view(snap), nil
	})
}

func view(s *config.Snapshot) protocol.ConfigSnapshot {
	out := protocol.ConfigSnapshot{Path: s.Path, Exists: s.Exists, Valid: s.Valid(), Hash: s.Hash,
		Issues: issues(s.Problems), Warnings: issues(s.Warnings), LegacyIssues: []protocol.ConfigIssue{},
		Config: map[string]any{}, Resolved: map[string]any{}}
	if !s.Valid() {
		return out
	}
	if s.Exists && s.Tree != nil {
		out.Parsed = config.Redacted(s.Tree.Any())
		raw := redactRaw(s)
		out.Raw = &raw
	}
	out.Resolved = config.Redacted(s.Resolved())
	out.Config = config.Redacted(s.View())
	return out
}

func issues(list []config.Problem) []protocol.ConfigIssue {
	out := []protocol.ConfigIssue{}
	for _, p := range list {
		out = append(out, protocol.ConfigIssue{Path: p.Path, Message: p.Message})
	}
	return out
}
