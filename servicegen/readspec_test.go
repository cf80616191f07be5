package servicegen

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// readSpec reads a service file back into the spec that would render it, as far
// as the file follows the shape of ours. name is that of the file.
func readSpec(f Format, name string, src []byte) (Spec, error) {
	version, _, _, _ := splitHeader(src)
	s := Spec{Format: f, Scope: ScopeUser, Name: name, Version: version}
	switch f {
	case FormatLaunchd:
		return s, s.readPlist(src)
	case FormatKardianos:
		return Spec{}, fmt.Errorf("format %q has no file to read", f)
	}
	u, err := ParseUnit(src)
	if err != nil {
		return Spec{}, err
	}
	if d := u.Values("Unit", "Description"); len(d) > 0 {
		s.Description = unescapePercent(d[len(d)-1])
	}
	if slices.Contains(u.Values("Install", "WantedBy"), "multi-user.target") {
		s.Scope = ScopeSystem
	}
	last := func(section, key string) string {
		if v := u.Values(section, key); len(v) > 0 {
			return v[len(v)-1]
		}
		return ""
	}
	if strings.HasSuffix(name, socketSuffix) {
		return s, s.readSocket(u)
	}
	if s.Scope == ScopeSystem {
		s.User, s.Group = last("Service", "User"), last("Service", "Group")
	}
	s.Socket = last("Service", "Sockets")
	s.Unconfined = s.Scope == ScopeUser && last("Service", "NoNewPrivileges") == ""
	words, err := Words(last("Service", "ReadWritePaths"))
	if err != nil {
		return Spec{}, fmt.Errorf("ReadWritePaths: %w", err)
	}
	for _, w := range words {
		s.Writable = append(s.Writable, unescapePercent(strings.TrimPrefix(w, "-")))
	}
	if v := u.Values("Service", "TimeoutStopSec"); len(v) > 0 {
		if s.StopTimeout, err = parseSpan(v[len(v)-1]); err != nil {
			return Spec{}, fmt.Errorf("TimeoutStopSec: %w", err)
		}
	}
	for _, a := range environment(u) {
		if strings.HasPrefix(a.name, envPrefix) {
			s.Env = setEnv(s.Env, EnvVar{a.name, unescapePercent(a.value)})
		}
	}
	lines := u.Values("Service", "ExecStart")
	if len(lines) == 0 {
		return Spec{}, fmt.Errorf("ExecStart is missing")
	}
	words, err = Words(lines[len(lines)-1])
	if err != nil {
		return Spec{}, fmt.Errorf("ExecStart: %w", err)
	}
	s.Exec = execArgv(words)
	s.Profile = profileOf(s.Exec)
	return s, nil
}

// execArgv decodes the words of an ExecStart into the argv that they stand for.
func execArgv(words []string) []string {
	words = unwrapShell(words)
	argv := make([]string, 0, len(words))
	for _, w := range words {
		argv = append(argv, unescapePercent(unescapeDollar(w)))
	}
	return argv
}

// profileOf returns the value of --profile in argv, "" when there is none.
func profileOf(argv []string) string {
	for i := range argv {
		if v, ok := strings.CutPrefix(argv[i], "--profile="); ok {
			return v
		}
		if argv[i] == "--profile" && i+1 < len(argv) {
			return argv[i+1]
		}
	}
	return ""
}

func (d plistDict) text(key string) string { s, _ := d[key].(string); return s }

// readPlist fills s from a plist in the shape of ours.
func (s *Spec) readPlist(src []byte) error {
	d, err := decodePlist(src)
	if err != nil {
		return err
	}
	s.Description = d.text("Comment")
	s.Exec = d.strings("ProgramArguments")
	if len(s.Exec) == 0 {
		return fmt.Errorf("ProgramArguments is missing")
	}
	s.Profile = profileOf(s.Exec)
	for _, v := range d.env() {
		if strings.HasPrefix(v.Name, envPrefix) {
			s.Env = append(s.Env, v)
		}
	}
	if len(d.strings("LimitLoadToSessionType")) == 0 {
		s.Scope = ScopeSystem
		s.User, s.Group = d.text("UserName"), d.text("GroupName")
	}
	if seconds, ok := d["ExitTimeOut"].(uint64); ok {
		s.StopTimeout = time.Duration(min(seconds, 1<<31)) * time.Second
	}
	s.LogDir, _ = strings.CutSuffix(d.text("StandardOutPath"), "/gateway.log")
	return nil
}

// readSocket fills s from a socket unit.
func (s *Spec) readSocket(u *UnitFile) error {
	for _, text := range u.Values("Socket", "ListenStream") {
		addr, err := parseListen(unescapePercent(text))
		if err != nil {
			return err
		}
		s.Listen = append(s.Listen, addr)
	}
	if len(s.Listen) == 0 {
		return fmt.Errorf("ListenStream is missing")
	}
	return nil
}
