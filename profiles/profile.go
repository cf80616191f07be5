// Package profiles owns the named records that keep gateways apart: what a
// profile is called, where its files lie, which ports are its own, and the
// registry that cannot hold two that overlap. It is the bottom of everything
// and starts, stops and writes nothing but the registry.
package profiles

import (
	"path/filepath"
	"time"
)

// Profile is one record with every path and port resolved. The zero value is
// not a profile; take one from a Registry. A Profile is a value and safe to copy.
type Profile struct {
	Name       string   // as ParseName returns it
	Port       int      // base of the port block
	StateDir   string   // absolute
	ConfigPath string   // absolute
	Workspace  string   // absolute
	PassEnv    []string // names of variables that the gateway may have from its supervisor
	Limits     Limits
	Drain      time.Duration // how long a planned stop waits for runs; DefaultDrain unless set
	Isolation  string        // IsolationStandard unless set; "" for a gateway that no registry knows
	Allow      []string      // absolute; what an isolated gateway may use beside its own
}

// DefaultDrain is how long a planned stop waits for runs to end (design: "Clocks").
const DefaultDrain = 30 * time.Second

// Grace is how long after SIGTERM the supervisor waits before it kills: the drain and 5 s.
func (p Profile) Grace() time.Duration { return p.Drain + 5*time.Second }

// StopTimeout is what a unit grants its supervisor for a stop: the grace and 10 s.
func (p Profile) StopTimeout() time.Duration { return p.Grace() + 10*time.Second }

// LogDir is where the log files of the profile lie.
func (p Profile) LogDir() string { return filepath.Join(p.StateDir, "logs") }

// CrashDir is where the black boxes of the profile lie.
func (p Profile) CrashDir() string { return filepath.Join(p.StateDir, "crashes") }

// EnvFile holds the secrets that ${VAR} in the config may name, mode 0600.
func (p Profile) EnvFile() string { return filepath.Join(p.StateDir, ".env") }

// SupervisorLock is held, and filled with its address, by the supervisor that runs the profile.
func (p Profile) SupervisorLock() string { return filepath.Join(p.StateDir, "supervisor.lock") }

// GatewayLock is held by the gateway that uses the state dir.
func (p Profile) GatewayLock() string { return filepath.Join(p.StateDir, "gateway.lock") }

// DesiredFile records what a person last asked for, "running" or "stopped".
func (p Profile) DesiredFile() string { return filepath.Join(p.StateDir, "desired") }

// LastGoodFile holds the last config with which the gateway became ready.
func (p Profile) LastGoodFile() string { return filepath.Join(p.StateDir, "last-good.json") }

// Ledger records what the supervisor has started for the profile.
func (p Profile) Ledger() string { return filepath.Join(p.StateDir, "ledger.json") }

// UnitName is the name of the systemd unit of the profile (spec/services §6).
func (p Profile) UnitName() string {
	if p.Name == Default {
		return "coderclaw-gateway.service"
	}
	return "coderclaw-gateway-" + p.Name + ".service"
}

// LaunchdLabel is the label of the LaunchAgent of the profile (spec/services §6).
func (p Profile) LaunchdLabel() string {
	if p.Name == Default {
		return "ai.coderclaw.gateway"
	}
	return "ai.coderclaw." + p.Name
}

// Flag is what a person types after "coderclaw" to mean this profile: "" for the
// default and for a gateway that the environment describes, else
// "--profile NAME ". It ends in a space when it is not empty.
func (p Profile) Flag() string {
	if p.Name == Default || !p.Registered() {
		return ""
	}
	return "--profile " + p.Name + " "
}

// The built-in profiles. They always exist.
const (
	Default = "default"
	Dev     = "dev"
	Rescue  = "rescue"
)

// Block is the range of ports that a profile owns, Base to Base+110.
type Block struct{ Base int }

// BlockSize is the number of ports of a block: gateway, control and 100 for browsers (spec/services §4).
const BlockSize = 111

// Block returns the ports of the profile.
func (p Profile) Block() Block { return Block{p.Port} }

// Last is the highest port of the block.
func (b Block) Last() int { return b.Base + BlockSize - 1 }

// Control is the port of the browser control service.
func (b Block) Control() int { return b.Base + 2 }

// CDP returns the first and last port for browsers that the gateway drives.
func (b Block) CDP() (first, last int) { return b.Base + 11, b.Last() }

// Contains tells whether port lies in the block.
func (b Block) Contains(port int) bool { return port >= b.Base && port <= b.Last() }

// Overlaps tells whether the two blocks share a port.
func (b Block) Overlaps(o Block) bool { return b.Base <= o.Last() && o.Base <= b.Last() }
