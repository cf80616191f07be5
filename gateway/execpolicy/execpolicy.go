// Package execpolicy owns the file that says which commands a host runs, unasked
// or after somebody has allowed it: how it is read and changed, and what it says of
// one command. It runs nothing and asks nobody.
package execpolicy

import (
	"cmp"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// How much may run.
const (
	SecurityDeny      = "deny"      // nothing
	SecurityAllowlist = "allowlist" // what is on the list, and what somebody allows
	SecurityFull      = "full"      // anything
)

// When somebody is asked.
const (
	AskOff    = "off"
	AskOnMiss = "on-miss" // for what is not on the list
	AskAlways = "always"
)

// DefaultAgent is whose rules count when no agent is named.
const DefaultAgent = "main"

// Rules are what the file says for one agent.
type Rules struct {
	Security, Ask string
	Allowlist     []protocol.ExecAllowlist
}

// For returns the rules of an agent, "" for the default one: its own, else those for
// all agents, else the file's defaults, else nothing runs.
func For(f protocol.ExecApprovalsFile, agent string) Rules {
	own, all := f.Agents[cmp.Or(agent, DefaultAgent)], f.Agents["*"]
	var defaults protocol.ExecApprovalsRules
	if f.Defaults != nil {
		defaults = *f.Defaults
	}
	r := Rules{Security: cmp.Or(own.Security, all.Security, defaults.Security, SecurityDeny), Ask: cmp.Or(own.Ask, all.Ask, defaults.Ask, AskOnMiss)}
	r.Allowlist = append(append(r.Allowlist, all.Allowlist...), own.Allowlist...)
	return r
}

// Why a command does not run.
const (
	Disabled         = "SYSTEM_RUN_DISABLED: security=deny"
	ApprovalRequired = "SYSTEM_RUN_DENIED: approval required"
	AllowlistMiss    = "SYSTEM_RUN_DENIED: allowlist miss"
)

// Refusal says why a program does not run, "" when it does. path is the whole path
// of the program; approved says that somebody has allowed this command.
func (r Rules) Refusal(path string, approved bool) string {
	listed := r.Match(path) != ""
	switch {
	case r.Security != SecurityAllowlist && r.Security != SecurityFull:
		return Disabled
	case approved:
		return ""
	case r.Ask == AskOff && (listed || r.Security == SecurityFull), r.Ask == AskOnMiss && (listed || r.Security == SecurityFull):
		return ""
	case r.Ask == AskOff:
		return AllowlistMiss
	}
	return ApprovalRequired
}

// Match returns the first pattern of the list that fits a program's path, "" if none does.
func (r Rules) Match(path string) string {
	for _, entry := range r.Allowlist {
		if matches(entry.Pattern, path) {
			return entry.Pattern
		}
	}
	return ""
}
