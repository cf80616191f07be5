package servicegen

import (
	"path"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/profiles"
)

// Hardening says how much a systemd unit takes from everything that it starts.
type Hardening string

// The levels. The zero value means HardenNone.
const (
	// HardenNone takes nothing: a user's service whose profile is not isolated,
	// so that its tools may use sudo.
	HardenNone Hardening = "none"
	// HardenUser takes what no tool of a person's own agent needs, by directives
	// that a manager without root can enforce.
	HardenUser Hardening = "user"
	// HardenSystem is for a service of the machine.
	HardenSystem Hardening = "system"
	// HardenRoot is HardenSystem for one that runs as root, with fewer calls.
	HardenRoot Hardening = "root"
)

// Hardening is the level of the unit. It follows from scope, account and
// isolation; formats other than systemd's have none.
func (s Spec) Hardening() Hardening {
	switch {
	case s.Format != FormatSystemd || s.isSocket():
		return HardenNone
	case s.Scope == ScopeSystem && (s.User == "" || s.User == rootUser):
		return HardenRoot
	case s.Scope == ScopeSystem:
		return HardenSystem
	case s.Unconfined:
		return HardenNone
	}
	return HardenUser
}

const rootUser = "root"

// allowedCalls are those of a service of the machine. The three of Landlock are
// in no group of systemd 252 but @known, and without them no gateway could wall
// itself off; seccomp lets a tool do the same to itself. A newer systemd has them
// in @sandbox, a name that 252 warns of.
const (
	allowedCalls  = "@system-service landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp"
	rootCalls     = "~@privileged @resources" // root without capabilities has little use for them
	refusedCalls  = "~@module @obsolete @raw-io @swap"
	usualFamilies = "AF_UNIX AF_INET AF_INET6 AF_NETLINK"
	rareFamilies  = "~AF_APPLETALK AF_AX25 AF_CAIF AF_IPX AF_NETROM AF_PHONET AF_RDS AF_ROSE AF_TIPC AF_X25"
	refusal       = "EPERM"
)

// noValue stands for a list that is set to nothing, which differs from one that
// is not set.
const noValue = "none"

// hardening lists the directives of a level, in order.
func (s Spec) hardening() []setting {
	level := s.Hardening()
	var out []setting
	for _, d := range Directives() {
		for _, value := range d.values(level) {
			out = append(out, setting{"Service", d.Name, strings.TrimSuffix(value, noValue)})
		}
	}
	if len(s.Writable) > 0 {
		words := make([]string, len(s.Writable))
		for i, p := range s.Writable {
			words[i] = quoteIfNeeded("-" + escapePercent(p)) // missing is no failure: the first start makes them
		}
		out = append(out, setting{"Service", "ReadWritePaths", strings.Join(words, " ")})
	}
	return out
}

// readOnlyPlaces are what ProtectSystem=full lets nobody write to.
var readOnlyPlaces = []string{"/boot", "/efi", "/etc", "/usr"}

// writable are the places of p that a hardened service could not write to.
func writable(p profiles.Profile, o SpecOptions) []string {
	places := append(p.Owned(o.Home), p.Allow...)
	if o.RegistryPath != "" {
		places = append(places, path.Dir(o.RegistryPath)) // it is replaced, not overwritten
	}
	var out []string
	for _, place := range places {
		place = path.Clean(place)
		for _, top := range readOnlyPlaces {
			if strings.HasPrefix(place, top+"/") {
				out = append(out, place)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
