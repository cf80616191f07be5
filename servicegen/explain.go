package servicegen

import (
	"fmt"
	"strings"

	"github.com/coderclaw/coderclaw/profiles"
)

// Choice is what one unit does with one sandboxing directive, or with a part of it.
type Choice struct {
	Directive string   `json:"directive"`
	Values    []string `json:"values,omitempty"` // as set, one a line; absent when it is left out
	Reason    string   `json:"reason,omitempty"` // why it is left out
}

func (c Choice) String() string {
	if len(c.Values) == 0 {
		return fmt.Sprintf("%s is left out: %s", c.Directive, c.Reason)
	}
	return fmt.Sprintf("%s=%s", c.Directive, strings.Join(c.Values, ", "))
}

// unconfined is why a user's service of such a profile has no directive.
const unconfined = "the profile has isolation = \"off\", so its tools may use sudo, which any of these would take away"

// Choices lists what the unit of p does with each directive; none for a target
// that is no systemd service.
func (t Target) Choices(p profiles.Profile, o SpecOptions) []Choice {
	if t != TargetSystemdUser && t != TargetSystemdSystem {
		return nil
	}
	o.Format, o.Scope = FormatSystemd, ScopeUser
	if t.Machine() {
		o.Scope = ScopeSystem
	}
	return ForProfile(p, o).choices()
}

func (s Spec) choices() []Choice {
	level := s.Hardening()
	var out []Choice
	for _, d := range Directives() {
		c := Choice{Directive: d.Name, Values: d.values(level), Reason: d.UserOut}
		switch {
		case s.Scope == ScopeSystem:
			c.Reason = d.SystemOut
		case level == HardenNone:
			c.Reason = unconfined
		}
		out = append(out, c)
	}
	if s.Scope != ScopeSystem {
		return out
	}
	for _, p := range Partials() {
		if strings.HasPrefix(p.Name, "SystemCallFilter=") && level == HardenRoot || strings.HasPrefix(p.Name, "User") && level != HardenRoot {
			continue
		}
		out = append(out, Choice{Directive: p.Name, Reason: p.Why})
	}
	return out
}

// Reason is why systemd-analyze goes on counting something against a service of
// the machine; name is as it calls it, without a trailing "=". It is "" for what
// nobody has given a reason for.
func Reason(name string) string {
	for _, p := range Partials() {
		if strings.TrimSuffix(p.Name, "=") == name || strings.HasPrefix(p.Name, name+"=") && !strings.Contains(name, "=") {
			return p.Why
		}
	}
	for _, d := range Directives() {
		if first, _, _ := strings.Cut(name, "="); d.Name == first && d.SystemOut != "" {
			return d.SystemOut
		}
	}
	return ""
}
