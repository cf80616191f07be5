package doctor

import (
	"context"
	"os"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
)

// Machine is what the profiles of one user share. It is looked at once for all of
// them, and read-only then.
type Machine struct {
	Format   servicegen.Format
	Services []Neighbour            // that have to do with gateways of this kind
	Ports    map[string]int         // where each profile's gateway listens by its config
	Linger   servicegen.LingerState // Grade "" when it does not matter
}

// MachineOptions says where to look.
type MachineOptions struct {
	Format   servicegen.Format
	Host     servicegen.HostOptions // of the user, for lingering
	Registry *profiles.Registry
	Env      func(string) (string, bool)
	Dirs     []UnitDir // nil: ServiceDirs of the format
	Linger   func(context.Context, servicegen.HostOptions) (servicegen.LingerState, error)
}

// ObserveMachine looks at everything that does not belong to one profile alone.
func ObserveMachine(ctx context.Context, o MachineOptions) *Machine {
	m := &Machine{Format: o.Format, Ports: map[string]int{}}
	if o.Dirs == nil {
		o.Dirs = ServiceDirs(o.Format, o.Env)
	}
	m.Services = observeServices(o.Format, o.Dirs, lookup(o.Env, "HOME"))
	for _, p := range o.Registry.List() {
		m.Ports[p.Name] = configuredPort(p)
	}
	if o.Format == servicegen.FormatSystemd && o.Host.Scope != servicegen.ScopeSystem && o.Host.UID != 0 {
		if o.Linger == nil {
			o.Linger = lingering
		}
		m.Linger, _ = o.Linger(ctx, o.Host) // an error means that nobody waits for the answer any more
	}
	return m
}

// lingering is servicegen.Linger where logind runs, which is what ends services at
// a logout.
func lingering(ctx context.Context, o servicegen.HostOptions) (servicegen.LingerState, error) {
	if _, err := os.Stat("/run/systemd/users"); err != nil { // which logind makes
		return servicegen.LingerState{UID: o.UID, Grade: servicegen.LingerNone, Why: "logind does not run"}, nil
	}
	return servicegen.Linger(ctx, o)
}

// configuredPort is where the gateway of p would listen. A config that cannot be
// read decides nothing.
func configuredPort(p profiles.Profile) int {
	s, err := config.LoadProfile(p, func(string) (string, bool) { return "", false })
	if err != nil || !s.Exists || s.Config.Gateway.Port == 0 {
		return p.Port
	}
	return s.Config.Gateway.Port
}

// shared are the codes about things that all profiles of a machine see alike.
var shared = map[Code]bool{LingerOff: true, DiskLow: true, DiskTight: true, InodesLow: true, ServiceOrphan: true, ServiceOtherSetup: true, ServiceOther: true, RegistryMode: true}

// Distinct leaves out findings about things that profiles share after their first
// occurrence, so that they are told once.
func Distinct(found []Finding) []Finding {
	type thing struct {
		code      Code
		path, key string
	}
	seen := map[thing]bool{}
	out := []Finding{} // of which JSON makes a list, also when nothing is in it
	for _, f := range found {
		if shared[f.Code] {
			t := thing{f.Code, f.Path, f.Key}
			if f.Code == DiskLow || f.Code == DiskTight || f.Code == InodesLow {
				t.path = "" // the key names the disk
			}
			if seen[t] {
				continue
			}
			seen[t] = true
		}
		out = append(out, f)
	}
	return out
}
