package servicegen

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// Numbers of the unit (design: "Service files"). Five starts within a minute
// are more than a healthy supervisor ever needs; systemd gives up after them.
const (
	restartDelay       = time.Second
	startLimitInterval = time.Minute
	startLimitBurst    = 5
	watchdogInterval   = 30 * time.Second
	exitNeverRestart   = int(exitcode.Config) // another try would end the same way
)

type setting struct{ section, key, value string }

// Systemd returns the text of the unit file.
func (s Spec) Systemd() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	section := ""
	for _, set := range s.settings() {
		if set.section != section {
			if section != "" {
				b.WriteByte('\n')
			}
			section = set.section
			fmt.Fprintf(&b, "[%s]\n", section)
		}
		fmt.Fprintf(&b, "%s=%s\n", set.key, set.value)
	}
	return append([]byte(s.unitHeader(b.Bytes())+"\n"), b.Bytes()...), nil
}

func (s Spec) unitHeader(rest []byte) string {
	edit := "systemctl --user edit "
	if s.Scope == ScopeSystem {
		edit = "systemctl edit "
	}
	return "# " + headerText(s.Version, rest) + "; put settings of your own into a drop-in: " + edit + s.Name
}

// Target is the systemd target that starts the service by itself, "" in other formats.
func (s Spec) Target() string {
	switch {
	case s.Format != FormatSystemd:
		return ""
	case s.isSocket():
		return "sockets.target"
	case s.Scope == ScopeSystem:
		return "multi-user.target"
	}
	return "default.target"
}

// settings lists what the unit says, in order. Values are ready to write.
func (s Spec) settings() []setting {
	if s.isSocket() {
		return s.socketSettings()
	}
	system := s.Scope == ScopeSystem
	out := []setting{{"Unit", "Description", escapePercent(s.Description)}}
	if system {
		out = append(out,
			setting{"Unit", "After", "network-online.target"},
			setting{"Unit", "Wants", "network-online.target"})
	}
	out = append(out,
		setting{"Unit", "StartLimitIntervalSec", plainSpan(startLimitInterval)},
		setting{"Unit", "StartLimitBurst", strconv.Itoa(startLimitBurst)},
		setting{"Service", "Type", "notify"},
		setting{"Service", "NotifyAccess", "main"},
		setting{"Service", "ExecStart", joinExec(execWords(s.Exec))},
	)
	for _, v := range s.Env {
		out = append(out, setting{"Service", "Environment", envAssignment(v)})
	}
	if system && s.User != "" {
		out = append(out, setting{"Service", "User", s.User})
	}
	if system && s.Group != "" {
		out = append(out, setting{"Service", "Group", s.Group})
	}
	if s.Socket != "" {
		out = append(out, setting{"Service", "Sockets", s.Socket})
	}
	out = append(out,
		setting{"Service", "Restart", "on-failure"},
		setting{"Service", "RestartSec", plainSpan(restartDelay)},
		setting{"Service", "RestartPreventExitStatus", strconv.Itoa(exitNeverRestart)},
		setting{"Service", "KillMode", "mixed"},
		setting{"Service", "Delegate", "yes"},
		setting{"Service", "WatchdogSec", plainSpan(watchdogInterval)},
		setting{"Service", "TimeoutStopSec", plainSpan(s.StopTimeout)},
		setting{"Service", "UMask", "0077"},
	)
	out = append(out, s.hardening()...)
	return append(out, setting{"Install", "WantedBy", s.Target()})
}

// plainSpan writes whole seconds without a unit, as the keys named …Sec allow.
func plainSpan(d time.Duration) string {
	if d%time.Second == 0 {
		return strconv.FormatInt(int64(d/time.Second), 10)
	}
	return formatSpan(d)
}

func envAssignment(v EnvVar) string { return quoteIfNeeded(v.Name + "=" + escapePercent(v.Value)) }

// systemd refuses a program whose path holds a quote or a backslash, however it
// is quoted, and reads "$" in that place differently from anywhere else. Such a
// program is started through the shell, which replaces itself with it at once.
var shellStart = []string{"/bin/sh", "-c", `exec "$$0" "$$@"`}

func needsShell(exe string) bool { return strings.ContainsAny(exe, `"'\$`) }

// execWords turns an argv into the words of ExecStart, before quoting.
func execWords(argv []string) []string {
	words := make([]string, 0, len(argv))
	for _, a := range argv {
		words = append(words, escapeDollar(escapePercent(a)))
	}
	if len(argv) > 0 && needsShell(argv[0]) {
		return slices.Concat(shellStart, words)
	}
	return words
}

// joinExec quotes words. The program is always quoted, to be found by the eye.
func joinExec(words []string) string {
	out := make([]string, 0, len(words))
	for i, w := range words {
		if i == 0 {
			out = append(out, quoteWord(w))
			continue
		}
		out = append(out, quoteIfNeeded(w))
	}
	return strings.Join(out, " ")
}

// unwrapShell undoes what execWords added.
func unwrapShell(words []string) []string {
	n := len(shellStart)
	if len(words) > n && slices.Equal(words[:n], shellStart) {
		return words[n:]
	}
	return words
}

// setEnv keeps env sorted with one value per name, the last.
func setEnv(env []EnvVar, v EnvVar) []EnvVar {
	i, found := slices.BinarySearchFunc(env, v, func(a, b EnvVar) int { return strings.Compare(a.Name, b.Name) })
	if found {
		env[i] = v
		return env
	}
	return slices.Insert(env, i, v)
}

// canonicalExec brings the value of ExecStart into the form of joinExec.
func canonicalExec(value string) string {
	words, err := Words(value)
	if err != nil || len(words) == 0 {
		return value
	}
	words = unwrapShell(words)
	words[0] = cleanProgram(words[0])
	return joinExec(words)
}

func cleanProgram(word string) string {
	rest := strings.TrimLeft(word, "@-:+!")
	if !strings.HasPrefix(rest, "/") {
		return word
	}
	return word[:len(word)-len(rest)] + path.Clean(rest)
}
