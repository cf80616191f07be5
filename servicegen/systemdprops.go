package servicegen

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// properties is what systemd's GetAll answers for one unit.
type properties map[string]any

func (p properties) text(key string) string    { s, _ := p[key].(string); return s }
func (p properties) texts(key string) []string { s, _ := p[key].([]string); return s }
func (p properties) flag(key string) bool      { b, _ := p[key].(bool); return b }

// number reads any integer property; absent ones are 0.
func (p properties) number(key string) int64 {
	switch n := p[key].(type) {
	case uint32:
		return int64(n)
	case int32:
		return int64(n)
	case uint64:
		return int64(min(n, 1<<63-1))
	case int64:
		return n
	}
	return 0
}

// stateOf turns the properties of a service into a State.
func stateOf(scope Scope, props map[string]any) State {
	p := properties(props)
	s := State{
		LoadState:      p.text("LoadState"),
		ActiveState:    p.text("ActiveState"),
		SubState:       p.text("SubState"),
		UnitFileState:  p.text("UnitFileState"),
		Result:         p.text("Result"),
		FragmentPath:   p.text("FragmentPath"),
		DropIns:        p.texts("DropInPaths"),
		NeedReload:     p.flag("NeedDaemonReload"),
		MainPID:        int(p.number("MainPID")),
		NRestarts:      int(p.number("NRestarts")),
		ExecMainStatus: int(p.number("ExecMainStatus")),
		Type:           p.text("Type"),
		View:           View{Format: FormatSystemd, Loaded: true, Values: map[string]string{}},
	}
	for _, assignment := range p.texts("Environment") {
		if name, value, ok := strings.Cut(assignment, "="); ok {
			s.Env = setEnv(s.Env, EnvVar{name, ShowEnv(name, value)})
		}
	}
	commands := p.commands()
	if len(commands) == 1 {
		for _, w := range unwrapShell(commands[0].argv) {
			s.Exec = append(s.Exec, unescapeDollar(w))
		}
	}
	if s.LoadState == LoadLoaded {
		if _, socket := p["Listen"]; socket {
			s.View.fillSocket(p)
		} else {
			s.View.fillLoaded(scope, p, commands, s.Env)
		}
	}
	return s
}

// fillLoaded writes the managed keys into the same form in which unitView reads
// them from a file. There specifiers are unresolved, so a literal "%" that was
// resolved is doubled again.
func (v *View) fillLoaded(scope Scope, p properties, commands []command, env []EnvVar) {
	set := v.Values
	set["Description"] = escapePercent(p.text("Description"))
	set["StartLimitIntervalSec"] = p.micros("StartLimitIntervalUSec")
	set["StartLimitBurst"] = strconv.FormatInt(p.number("StartLimitBurst"), 10)
	set["Type"] = p.text("Type")
	set["NotifyAccess"] = p.text("NotifyAccess")
	set["Restart"] = p.text("Restart")
	set["RestartSec"] = p.micros("RestartUSec")
	set["KillMode"] = p.text("KillMode")
	if w := p.micros("WatchdogUSec"); w != forever && w != "0s" { // neither is set while the unit is down
		set["WatchdogSec"] = w
	}
	set["TimeoutStopSec"] = p.micros("TimeoutStopUSec")
	set["UMask"] = fmt.Sprintf("%04o", p.number("UMask"))
	set["Delegate"] = yesNo(p.flag("Delegate"))
	v.fillHardening(scope, p)
	if sockets := canonicalSet(strings.Join(slices.DeleteFunc(slices.Clone(p.texts("TriggeredBy")), notSocket), " ")); sockets != "" {
		set["Sockets"] = sockets
	}
	if statuses := p.statuses("RestartPreventExitStatus"); statuses != "" {
		set["RestartPreventExitStatus"] = statuses
	}
	var lines []string
	for _, c := range commands {
		lines = append(lines, c.String())
	}
	if len(lines) > 0 {
		set["ExecStart"] = strings.Join(lines, " ; ")
	}
	if user := p.text("User"); user != "" && scope == ScopeSystem {
		set["User"] = user
	}
	if group := p.text("Group"); group != "" && scope == ScopeSystem {
		set["Group"] = group
	}
	for _, e := range env {
		if strings.HasPrefix(e.Name, envPrefix) {
			set["Environment["+e.Name+"]"] = escapePercent(e.Value)
		}
	}
}

func notSocket(unit string) bool { return !strings.HasSuffix(unit, socketSuffix) }

// fillHardening writes those sandboxing directives that a manager shows in a form
// which can be held against a file. Of the filter of system calls it shows the
// single calls.
func (v *View) fillHardening(scope Scope, p properties) {
	for _, d := range Directives() {
		if !d.sets(scope) {
			continue
		}
		switch value := p[d.Name].(type) {
		case bool:
			v.Values[d.Name] = yesNo(value)
		case string:
			v.Values[d.Name] = canonicalBool(value)
		case uint64:
			v.Values[d.Name] = maskWord(d.Name, value)
		case []any:
			if words := listWords(value); words != "" && d.Name == "RestrictAddressFamilies" {
				v.Values[d.Name] = words
			}
		}
	}
	if paths := p.texts("ReadWritePaths"); len(paths) > 0 && scope == ScopeSystem {
		words := make([]string, len(paths))
		for i, path := range paths {
			words[i] = quoteIfNeeded(escapePercent(path))
		}
		v.Values["ReadWritePaths"] = canonicalPaths(strings.Join(words, " "))
	}
}

// maskWord names a mask of what is left: nothing or something of all capabilities,
// of all kinds of namespace.
func maskWord(name string, mask uint64) string {
	switch {
	case name == "CapabilityBoundingSet" && mask == 0:
		return noValue
	case name == "RestrictNamespaces" && mask == 0:
		return "yes"
	case name == "RestrictNamespaces" && mask == 1<<64-1:
		return "no"
	}
	return fmt.Sprintf("%#x", mask)
}

// listWords reads a (bas): whether the list allows, and its words.
func listWords(pair []any) string {
	if len(pair) != 2 {
		return ""
	}
	words, _ := pair[1].([]string)
	if len(words) == 0 {
		return ""
	}
	text := strings.Join(words, " ")
	if pair[0] == false {
		text = "~" + text
	}
	return canonicalFilter(text)
}

// micros reads a time span in microseconds; an absent one reads as none.
func (p properties) micros(key string) string {
	n, _ := p[key].(uint64)
	return canonicalMicros(n)
}

// command is one line of ExecStart as loaded.
type command struct {
	path  string
	argv  []string
	flags []string
}

// prefixes are the marks before the program that stand for flags, in the order
// in which we write them.
var prefixes = []struct{ mark, flag string }{
	{"-", "ignore-failure"}, {":", "no-env-expand"}, {"+", "privileged"}, {"!", "no-setuid"}, {"!!", "ambient"},
}

func (c command) String() string {
	words := make([]string, 0, len(c.argv)+1)
	for _, w := range c.argv {
		words = append(words, escapePercent(w))
	}
	words = unwrapShell(words)
	if len(words) == 0 {
		return ""
	}
	mark := ""
	if len(c.argv) > 0 && c.path != c.argv[0] {
		mark = "@"
		words = append([]string{escapePercent(c.path)}, words...)
	}
	for _, p := range prefixes {
		if slices.Contains(c.flags, p.flag) {
			mark += p.mark
		}
	}
	words[0] = mark + words[0]
	return joinExec(words)
}

// commands reads ExecStartEx, a(sasasttttuii), which has all flags, else
// ExecStart, a(sasbttttuii), of older managers.
func (p properties) commands() []command {
	rows, ok := p["ExecStartEx"].([][]any)
	if !ok {
		rows, _ = p["ExecStart"].([][]any)
	}
	var out []command
	for _, row := range rows {
		if len(row) < 3 {
			continue
		}
		var c command
		c.path, _ = row[0].(string)
		c.argv, _ = row[1].([]string)
		switch flags := row[2].(type) {
		case []string:
			c.flags = flags
		case bool:
			if flags {
				c.flags = []string{"ignore-failure"}
			}
		}
		out = append(out, c)
	}
	return out
}

// signalNames are the signals that a unit may name, by number on Linux.
var signalNames = map[int32]string{
	1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL",
	10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM", 24: "SIGXCPU", 25: "SIGXFSZ",
}

// statuses reads an (aiai): exit statuses and signals.
func (p properties) statuses(key string) string {
	pair, _ := p[key].([]any)
	if len(pair) != 2 {
		return ""
	}
	var codes []int
	exits, _ := pair[0].([]int32)
	for _, n := range exits {
		codes = append(codes, int(n))
	}
	var names []string
	signals, _ := pair[1].([]int32)
	for _, n := range signals {
		name, ok := signalNames[n]
		if !ok {
			name = "SIGRTMIN+" + strconv.Itoa(int(n)-34)
		}
		names = append(names, name)
	}
	return joinStatuses(codes, names)
}
