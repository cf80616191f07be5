// Package channels owns the ways by which messages reach the gateway. There is
// one so far: webchat, the chat that clients hold over the control plane itself.
package channels

import (
	"context"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

const (
	webchat = "webchat"
	account = "default"
	label   = "WebChat"
)

// Feature answers for the channels. Running tells how many clients are connected,
// which is what it takes for webchat to work.
type Feature struct {
	running func() int
	now     func() time.Time
}

// New returns the feature.
func New(running func() int, now func() time.Time) *Feature { return &Feature{running, now} }

// Health is what the health summary says of the channels.
func (f *Feature) Health() (map[string]protocol.ChannelHealth, []string, map[string]string) {
	return map[string]protocol.ChannelHealth{webchat: {AccountID: account, Configured: true}}, []string{webchat}, map[string]string{webchat: label}
}

// Register adds the method channels.status.
func (f *Feature) Register(m *rpc.Mux) {
	rpc.Handle(m, "channels.status", rpc.ScopeRead, f.status)
}

func (f *Feature) status(_ context.Context, _ *rpc.Session, p protocol.ChannelsStatusParams) (protocol.ChannelsStatusResult, error) {
	now := f.now().UnixMilli()
	acct := protocol.AccountSnapshot{AccountID: account, Enabled: true, Configured: true, Running: true, Connected: f.running() > 0}
	if p.Probe {
		acct.LastProbeAt = now // the answer itself went over the channel
	}
	return protocol.ChannelsStatusResult{
		TS: now, ChannelOrder: []string{webchat}, ChannelLabels: map[string]string{webchat: label},
		ChannelDetailLabels: map[string]string{webchat: label}, ChannelSystemImages: map[string]string{},
		ChannelMeta:             []protocol.ChannelMeta{{ID: webchat, Label: label, DetailLabel: label}},
		Channels:                map[string]protocol.ChannelSummary{webchat: {Configured: true, Running: true}},
		ChannelAccounts:         map[string][]protocol.AccountSnapshot{webchat: {acct}},
		ChannelDefaultAccountID: map[string]string{webchat: account},
	}, nil
}
