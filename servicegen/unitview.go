package servicegen

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// canonical is how the value of a managed key is brought into one spelling.
type canonical func(value string) string

type managedKey struct {
	section   string
	canonical canonical
	list      bool // later assignments add to earlier ones
}

// managedUnitKeys are the keys that a unit of ours decides on, beside the
// variables with envPrefix. A hand that wants another value has drop-ins.
func managedUnitKeys(scope Scope) map[string]managedKey {
	text := func(v string) string { return v }
	keys := map[string]managedKey{
		"Description":              {"Unit", text, false},
		"StartLimitIntervalSec":    {"Unit", canonicalSpan, false},
		"StartLimitBurst":          {"Unit", canonicalCount, false},
		"Type":                     {"Service", text, false},
		"NotifyAccess":             {"Service", text, false},
		"ExecStart":                {"Service", canonicalExec, true},
		"Restart":                  {"Service", text, false},
		"RestartSec":               {"Service", canonicalSpan, false},
		"RestartPreventExitStatus": {"Service", canonicalStatuses, true},
		"KillMode":                 {"Service", text, false},
		"Delegate":                 {"Service", canonicalBool, false},
		"WatchdogSec":              {"Service", canonicalSpan, false},
		"TimeoutStopSec":           {"Service", canonicalSpan, false},
		"UMask":                    {"Service", canonicalOctal, false},
		"WantedBy":                 {"Install", canonicalSet, true},
		"Sockets":                  {"Service", canonicalSet, true},
		"ListenStream":             {"Socket", canonicalAddr, true},
		"FileDescriptorName":       {"Socket", text, false},
		"BindIPv6Only":             {"Socket", text, false},
		"Backlog":                  {"Socket", canonicalCount, false},
		"NoDelay":                  {"Socket", canonicalBool, false},
		"FreeBind":                 {"Socket", canonicalBool, false},
	}
	if scope == ScopeSystem {
		keys["After"] = managedKey{"Unit", canonicalSet, true}
		keys["Wants"] = managedKey{"Unit", canonicalSet, true}
		keys["User"] = managedKey{"Service", text, false}
		keys["Group"] = managedKey{"Service", text, false}
		keys["ReadWritePaths"] = managedKey{"Service", canonicalPaths, true}
	}
	for _, d := range Directives() {
		if d.sets(scope) {
			keys[d.Name] = d.managed()
		}
	}
	return keys
}

// sets tells whether a unit of the scope can have the directive.
func (d Directive) sets(scope Scope) bool {
	if scope == ScopeSystem {
		return d.System != ""
	}
	return d.User != ""
}

func (d Directive) managed() managedKey {
	switch d.Name {
	case "CapabilityBoundingSet":
		return managedKey{"Service", canonicalCapabilities, false}
	case "SystemCallFilter", "RestrictAddressFamilies":
		return managedKey{"Service", canonicalFilter, true}
	case "SystemCallArchitectures":
		return managedKey{"Service", canonicalSet, true}
	}
	return managedKey{"Service", canonicalBool, false}
}

// managedName returns the managed key that a setting decides on, "" for none.
// Old spellings, and TimeoutSec which sets two time-outs, count as that key.
func managedName(keys map[string]managedKey, l Line) string {
	if l.Kind != LineSetting {
		return ""
	}
	switch l.Section + "." + l.Key {
	case "Service.StartLimitInterval", "Unit.StartLimitInterval":
		return "StartLimitIntervalSec"
	case "Service.StartLimitBurst":
		return "StartLimitBurst"
	case "Service.TimeoutSec":
		return "TimeoutStopSec"
	}
	if k, ok := keys[l.Key]; ok && k.section == l.Section {
		return l.Key
	}
	return ""
}

// unitView reads a unit file and the drop-ins that follow it.
func unitView(scope Scope, files ...*UnitFile) View {
	keys := managedUnitKeys(scope)
	v := View{Format: FormatSystemd, Values: map[string]string{}}
	for _, f := range files {
		for _, l := range f.Lines {
			switch name := managedName(keys, l); {
			case name != "":
				v.assign(name, keys[name], l.Value)
			case l.Kind == LineJunk:
				v.Foreign = append(v.Foreign, KeyValue{Section: l.Section, Value: l.Value})
			case l.Kind == LineSetting && !isEnvironment(l):
				v.Foreign = append(v.Foreign, KeyValue{l.Section, l.Key, l.Value})
			}
		}
	}
	for _, a := range environment(files...) {
		if strings.HasPrefix(a.name, envPrefix) {
			v.Values["Environment["+a.name+"]"] = a.shown()
			continue
		}
		v.Foreign = append(v.Foreign, KeyValue{"Service", "Environment", a.name + "=" + a.shown()})
	}
	return v
}

func (v View) assign(name string, k managedKey, value string) {
	old, had := v.Values[name]
	switch {
	case k.list && value == "":
		delete(v.Values, name)
	case k.list && had && name == "ExecStart":
		v.Values[name] = old + " ; " + k.canonical(value) // several commands; never ours
	case k.list && had && name == "ReadWritePaths":
		v.Values[name] = k.canonical(old + " " + value)
	case k.list && had:
		v.Values[name] = k.canonical(canonicalSet(old + " " + k.canonical(value)))
	default:
		v.Values[name] = k.canonical(value)
	}
}

func isEnvironment(l Line) bool {
	return l.Kind == LineSetting && l.Section == "Service" && l.Key == "Environment"
}

// assignment is one variable of an Environment= line; value has its specifiers
// unresolved.
type assignment struct{ name, value string }

// shown is the value as a View holds it. A fingerprint is that of the value which
// the manager will see.
func (a assignment) shown() string {
	resolved := unescapePercent(a.value)
	if s := ShowEnv(a.name, resolved); s != resolved {
		return s
	}
	return a.value
}

// environment returns the variables that the files set, in order of their last
// assignment. An empty Environment= forgets those before it.
func environment(files ...*UnitFile) []assignment {
	var out []assignment
	for _, f := range files {
		for _, l := range f.Lines {
			if !isEnvironment(l) {
				continue
			}
			if l.Value == "" {
				out = nil
				continue
			}
			words, _ := Words(l.Value) // what stands before a malformed word counts
			for _, w := range words {
				name, value, ok := strings.Cut(w, "=")
				if !ok {
					continue
				}
				out = slices.DeleteFunc(out, func(a assignment) bool { return a.name == name })
				out = append(out, assignment{name, value})
			}
		}
	}
	return out
}

func canonicalCount(v string) string {
	if n, err := strconv.ParseUint(v, 10, 32); err == nil {
		return strconv.FormatUint(n, 10)
	}
	return v
}

func canonicalOctal(v string) string {
	if n, err := strconv.ParseUint(v, 8, 32); err == nil {
		return fmt.Sprintf("%04o", n)
	}
	return v
}

func canonicalSet(v string) string {
	words := strings.Fields(v)
	slices.Sort(words)
	return strings.Join(slices.Compact(words), " ")
}

// canonicalBool spells yes and no one way, and a list of words as canonicalSet.
func canonicalBool(v string) string {
	switch strings.ToLower(v) {
	case "1", "yes", "y", "true", "t", "on":
		return "yes"
	case "0", "no", "n", "false", "f", "off":
		return "no"
	}
	return canonicalSet(v)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func canonicalCapabilities(v string) string {
	if v == "" {
		return noValue
	}
	return canonicalSet(v)
}

// canonicalFilter puts the sign that turns a whole list around before each of its
// words, so that lists can be joined and sorted: what is added comes first.
func canonicalFilter(v string) string {
	rest, turned := strings.CutPrefix(v, "~")
	if !turned {
		return canonicalSet(v)
	}
	words := strings.Fields(rest)
	for i, w := range words {
		words[i] = "~" + strings.TrimPrefix(w, "~")
	}
	return canonicalSet(strings.Join(words, " "))
}

// canonicalPaths sorts and quotes a list of paths.
func canonicalPaths(v string) string {
	words, err := Words(v)
	if err != nil {
		return v
	}
	slices.Sort(words)
	for i, w := range words {
		words[i] = quoteIfNeeded(w)
	}
	return strings.Join(slices.Compact(words), " ")
}

// canonicalStatuses sorts exit codes before signals, and names both one way.
func canonicalStatuses(v string) string {
	var codes []int
	var rest []string
	for _, w := range strings.Fields(v) {
		if n, err := strconv.ParseUint(w, 10, 8); err == nil {
			codes = append(codes, int(n))
			continue
		}
		if w == "CONFIG" {
			codes = append(codes, exitNeverRestart)
			continue
		}
		rest = append(rest, w)
	}
	return joinStatuses(codes, rest)
}

func joinStatuses(codes []int, names []string) string {
	slices.Sort(codes)
	var out []string
	for _, c := range slices.Compact(codes) {
		out = append(out, strconv.Itoa(c))
	}
	for i, n := range names {
		if !strings.HasPrefix(n, "SIG") && n == strings.ToUpper(n) {
			names[i] = "SIG" + n
		}
	}
	slices.Sort(names)
	return strings.Join(append(out, slices.Compact(names)...), " ")
}
