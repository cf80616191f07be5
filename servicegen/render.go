package servicegen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strings"
	"sync"

	"github.com/coderclaw/coderclaw/profiles"
)

// Target is one kind of service definition, to be rendered on any system.
type Target string

// The targets.
const (
	TargetSystemdUser   Target = "systemd-user"
	TargetSystemdSystem Target = "systemd-system"
	TargetSystemdSocket Target = "systemd-socket" // of a user, or of the machine where an account is named
	TargetLaunchAgent   Target = "launchagent"
	TargetLaunchDaemon  Target = "launchdaemon"
	TargetWindows       Target = "windows"
)

// Targets lists them all.
func Targets() []Target {
	return []Target{TargetSystemdUser, TargetSystemdSystem, TargetSystemdSocket, TargetLaunchAgent, TargetLaunchDaemon, TargetWindows}
}

// NativeTarget is what an installation for one user makes on a system.
func NativeTarget(goos string) Target {
	switch goos {
	case "darwin":
		return TargetLaunchAgent
	case "windows":
		return TargetWindows
	}
	return TargetSystemdUser
}

// Machine tells whether the service belongs to the machine and names its account.
func (t Target) Machine() bool { return t == TargetSystemdSystem || t == TargetLaunchDaemon }

// Definition is the text of a service and the path at which its manager reads
// it. Path is "" where the manager is told by calls and keeps it by itself.
type Definition struct {
	Target Target `json:"target"`
	Name   string `json:"name"`
	Path   string `json:"path"`
	Text   string `json:"text"`
}

// Define renders the service of p as t has it. Of o, Format and Scope are set
// here; with TargetSystemdSocket o.Listen is what it listens on. Paths of another
// kind of system are turned into some of the target's, to be looked over by
// whoever asked. env tells where the files of a user lie.
func (t Target) Define(p profiles.Profile, o SpecOptions, env Lookup) (Definition, error) {
	o.Format, o.Scope = FormatSystemd, ScopeUser
	switch t {
	case TargetLaunchAgent, TargetLaunchDaemon:
		o.Format = FormatLaunchd
	case TargetWindows:
		o.Format = FormatKardianos
	case TargetSystemdUser, TargetSystemdSystem, TargetSystemdSocket:
	default:
		return Definition{}, fmt.Errorf("target %q: want one of %v", t, Targets())
	}
	if t.Machine() || t == TargetSystemdSocket && o.User != "" {
		o.Scope = ScopeSystem
	}
	if o.Format != FormatSystemd {
		o.Listen = nil
	}
	turn := toUnix
	if t == TargetWindows {
		turn = toWindows
	}
	if exe := turn(o.Exe); exe != o.Exe { // programs of Windows are called so
		o.Exe = strings.TrimSuffix(exe, ".exe")
		if t == TargetWindows {
			o.Exe += ".exe"
		}
	}
	o.RegistryPath, o.Home = turn(o.RegistryPath), turn(o.Home)
	p.StateDir, p.ConfigPath, p.Workspace = turn(p.StateDir), turn(p.ConfigPath), turn(p.Workspace)
	s := ForProfile(p, o)
	if t == TargetSystemdSocket {
		s = SocketFor(p, o)
	}
	text, err := s.text()
	if err != nil {
		return Definition{}, err
	}
	d := Definition{Target: t, Name: s.Name, Text: string(text)}
	if t == TargetWindows {
		return d, nil
	}
	dir, err := UnitDir(o.Format, o.Scope, func(name string) (string, bool) {
		v, ok := env(name)
		return toUnix(v), ok
	})
	d.Path = path.Join(toUnix(dir), s.Name)
	if o.Format == FormatLaunchd {
		d.Path += ".plist"
	}
	return d, err
}

// text is what Render gives, and for the library's systems what it is told.
func (s Spec) text() ([]byte, error) {
	if s.Format != FormatKardianos {
		return s.Render()
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	c := s.kardianos()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(struct {
		Name, DisplayName, Description, Executable string
		Arguments                                  []string
		EnvVars                                    map[string]string
		Option                                     map[string]any
	}{c.Name, c.DisplayName, c.Description, c.Executable, c.Arguments, c.EnvVars, c.Option})
	return b.Bytes(), err
}

var driveShape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z]:[\\/]`) })

// toUnix turns a path of Windows into one without a drive.
func toUnix(p string) string {
	if !driveShape().MatchString(p) {
		return p
	}
	return strings.ReplaceAll(p[2:], `\`, "/")
}

// toWindows turns a path of the other systems into one on drive C.
func toWindows(p string) string {
	if !strings.HasPrefix(p, "/") {
		return p
	}
	return "C:" + strings.ReplaceAll(p, "/", `\`)
}

// Meaning says in a few words what a target is.
func (t Target) Meaning() string {
	return map[Target]string{
		TargetSystemdUser:   "a service of one user's systemd",
		TargetSystemdSystem: "a hardened service of the machine's systemd that runs as one account",
		TargetSystemdSocket: "the sockets of either, for a restart that refuses nobody; of the machine with `--user`",
		TargetLaunchAgent:   "a job of one user's launchd",
		TargetLaunchDaemon:  "a job of the machine's launchd that runs as one account",
		TargetWindows:       "what github.com/kardianos/service is told of a Windows service, as JSON",
	}[t]
}

// Place says where the manager reads the file.
func (t Target) Place() string {
	return map[Target]string{
		TargetSystemdUser:   "`~/.config/systemd/user`",
		TargetSystemdSystem: "`/etc/systemd/system`",
		TargetSystemdSocket: "as the service",
		TargetLaunchAgent:   "`~/Library/LaunchAgents`",
		TargetLaunchDaemon:  "`/Library/LaunchDaemons`",
		TargetWindows:       "no file: the service control manager keeps it",
	}[t]
}
