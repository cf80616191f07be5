package servicegen

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// launchPrint is what `launchctl print DOMAIN/LABEL` says of a loaded job. Apple
// calls that text no interface, so all of it is optional.
type launchPrint struct {
	path, status string
	pid          int
	exitCode     string // last exit code, or why there is none
	reason       string
	runs         int
	program      string
	argv         []string
	env          []EnvVar
	settings     map[string]string // top-level keys in lower case
}

// parseLaunchPrint reads the top level of the text and the two blocks that
// matter. Nested blocks repeat the names of top-level keys, so depth counts.
func parseLaunchPrint(text []byte) launchPrint {
	p := launchPrint{settings: map[string]string{}}
	var block []string // names of the blocks that are open
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxServiceFile)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "}" {
			block = block[:max(0, len(block)-1)]
			continue
		}
		if name, ok := strings.CutSuffix(line, "= {"); ok {
			block = append(block, strings.TrimSpace(name))
			continue
		}
		switch {
		case len(block) == 1:
			if key, value, ok := strings.Cut(line, " = "); ok {
				p.settings[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
			}
		case len(block) == 2 && block[1] == "arguments":
			// Leading and trailing spaces of an argument are lost in this text.
			p.argv = append(p.argv, line)
		case len(block) == 2 && block[1] == "environment":
			if name, value, ok := strings.Cut(line, " => "); ok {
				p.env = setEnv(p.env, EnvVar{strings.TrimSpace(name), value})
			}
		}
	}
	p.path, p.status, p.program = p.settings["path"], p.settings["state"], p.settings["program"]
	p.pid, _ = strconv.Atoi(p.settings["pid"])
	p.runs, _ = strconv.Atoi(p.settings["runs"])
	p.exitCode = p.settings["last exit code"]
	if p.exitCode == "" {
		p.exitCode = p.settings["last exit status"] // macOS before 11
	}
	p.reason = p.settings["last exit reason"]
	if p.reason == "" {
		p.reason = p.settings["last terminating signal"]
	}
	return p
}

func (p launchPrint) detail() string {
	if p.status == "" {
		return ""
	}
	text := "state " + p.status
	if p.exitCode != "" {
		text += ", last exit code " + p.exitCode
	}
	if p.reason != "" {
		text += ", " + p.reason
	}
	return text
}

// state translates into the words of systemd.
func (p launchPrint) state() State {
	s := State{
		LoadState:    LoadLoaded,
		SubState:     p.status,
		FragmentPath: p.path,
		MainPID:      p.pid,
		NRestarts:    max(0, p.runs-1),
		Exec:         p.argv,
		View:         View{Format: FormatLaunchd, Loaded: true, Values: map[string]string{}},
	}
	code, _, _ := strings.Cut(p.exitCode, ":") // "78: EX_CONFIG"
	s.ExecMainStatus, _ = strconv.Atoi(strings.TrimSpace(code))
	switch {
	case p.pid > 0 || p.status == "running":
		s.ActiveState = "active"
	case s.ExecMainStatus != 0 || p.reason != "":
		s.ActiveState = "failed"
	default:
		s.ActiveState = "inactive"
	}
	switch {
	case p.reason != "":
		s.Result = p.reason
	case s.ExecMainStatus != 0:
		s.Result = "exit-code"
	default:
		s.Result = "success"
	}
	set := s.View.Values
	if len(p.argv) > 0 {
		set["ProgramArguments"] = joinExec(p.argv)
	}
	for _, e := range p.env {
		s.Env = setEnv(s.Env, EnvVar{e.Name, ShowEnv(e.Name, e.Value)})
		if strings.HasPrefix(e.Name, envPrefix) {
			set[plistEnv+"["+e.Name+"]"] = ShowEnv(e.Name, e.Value)
		}
	}
	for key, printed := range map[string]string{
		"StandardOutPath": "stdout path", "StandardErrorPath": "stderr path",
		"ThrottleInterval": "minimum runtime", "ExitTimeOut": "exit timeout",
	} {
		if v, ok := p.settings[printed]; ok {
			set[key] = v
		}
	}
	return s
}

// isDisabled reads `launchctl print-disabled DOMAIN`, whose lines are
// `"label" => disabled`, or `=> true` before macOS 12.
func isDisabled(text []byte, label string) bool {
	want := fmt.Sprintf("%q =>", label)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), want); ok {
			value = strings.TrimSpace(value)
			return value == "disabled" || value == "true"
		}
	}
	return false
}
