package servicegen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"howett.net/plist"
)

// Numbers of the plist. launchd has no start limit of its own; ten seconds
// between two starts is its default, said here so that nothing can change it.
const (
	throttleInterval = 10 * time.Second
	umaskPrivate     = 0o077
)

// plistEnv is the key of a plist that holds the variables.
const plistEnv = "EnvironmentVariables"

// member is one key of a property list, in the order in which it is compared.
type member struct {
	key   string
	value any // string, bool, int, []string, map[string]string or map[string]bool
}

// members lists what the plist says. KeepAlive restarts after a failure only,
// or a supervisor that was told to end would come back. ProcessType keeps macOS
// from throttling a process that serves people. LimitLoadToSessionType lets one
// plist serve a desktop login as well as a machine without one.
func (s Spec) members() []member {
	out := []member{
		{"Label", s.Name},
		{"Comment", s.Description},
		{"ProgramArguments", s.Exec},
		{plistEnv, s.envMap()},
		{"RunAtLoad", true},
		{"KeepAlive", map[string]bool{"SuccessfulExit": false}},
		{"ThrottleInterval", int(throttleInterval / time.Second)},
		{"ExitTimeOut", int((s.StopTimeout + time.Second - 1) / time.Second)},
		{"ProcessType", "Interactive"},
		{"Umask", umaskPrivate},
	}
	if s.LogDir != "" {
		out = append(out,
			member{"StandardOutPath", s.LogDir + "/gateway.log"},
			member{"StandardErrorPath", s.LogDir + "/gateway.err.log"})
	}
	if s.Scope == ScopeUser {
		out = append(out, member{"LimitLoadToSessionType", []string{"Aqua", "Background"}})
	}
	if s.User != "" {
		out = append(out, member{"UserName", s.User})
	}
	if s.Group != "" {
		out = append(out, member{"GroupName", s.Group})
	}
	return out
}

func (s Spec) envMap() map[string]string {
	env := make(map[string]string, len(s.Env))
	for _, v := range s.Env {
		env[v.Name] = v.Value
	}
	return env
}

// Plist returns the text of the property list.
func (s Spec) Plist() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	dict := map[string]any{}
	for _, m := range s.members() {
		dict[m.key] = m.value
	}
	text, err := plist.MarshalIndent(dict, plist.XMLFormat, "\t")
	if err != nil {
		return nil, fmt.Errorf("service %s: render plist: %w", s.Name, err)
	}
	if !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	return s.addPlistHeader(text), nil
}

// addPlistHeader puts the header behind the first line, the XML declaration.
func (s Spec) addPlistHeader(text []byte) []byte {
	first := bytes.IndexByte(text, '\n') + 1
	header := "<!-- " + headerText(s.Version, text) + " -->\n"
	return slices.Concat(text[:first], []byte(header), text[first:])
}

type plistDict map[string]any

func decodePlist(src []byte) (plistDict, error) {
	d := plistDict{}
	if len(bytes.TrimSpace(src)) == 0 {
		return nil, fmt.Errorf("property list is empty")
	}
	if _, err := plist.Unmarshal(src, &d); err != nil {
		return nil, fmt.Errorf("property list: %w", err)
	}
	return d, nil
}

func (d plistDict) strings(key string) []string {
	list, _ := d[key].([]any)
	out := make([]string, 0, len(list))
	for _, item := range list {
		text, ok := item.(string)
		if !ok {
			return nil
		}
		out = append(out, text)
	}
	return out
}

// env returns the variables, sorted by name.
func (d plistDict) env() []EnvVar {
	dict, _ := d[plistEnv].(map[string]any)
	var out []EnvVar
	for name, v := range dict {
		if value, ok := v.(string); ok {
			out = setEnv(out, EnvVar{name, value})
		}
	}
	return out
}

// managedPlistKeys are the keys that a plist of ours decides on, beside the
// variables with envPrefix. Disabled is never wanted: it keeps a job from
// loading. UserName would make a user's agent fail.
var managedPlistKeys = []string{
	"Comment", "Disabled", "ExitTimeOut", "GroupName", "KeepAlive", "Label", "LimitLoadToSessionType", "ProcessType", "Program",
	"ProgramArguments", "RunAtLoad", "StandardErrorPath", "StandardOutPath", "ThrottleInterval", "Umask", "UserName",
}

func plistView(src []byte) (View, error) {
	d, err := decodePlist(src)
	if err != nil {
		return View{}, err
	}
	v := View{Format: FormatLaunchd, Values: map[string]string{}}
	for key, value := range d {
		switch {
		case key == "ProgramArguments" && len(d.strings(key)) > 0:
			v.Values[key] = joinExec(d.strings(key))
		case slices.Contains(managedPlistKeys, key):
			v.Values[key] = canonicalPlist(value)
		case key == plistEnv:
			v.readPlistEnv(value)
		default:
			v.Foreign = append(v.Foreign, KeyValue{Key: key, Value: canonicalPlist(value)})
		}
	}
	slices.SortFunc(v.Foreign, func(a, b KeyValue) int { return strings.Compare(a.Key+a.Value, b.Key+b.Value) })
	return v, nil
}

func (v *View) readPlistEnv(value any) {
	dict, ok := value.(map[string]any)
	if !ok {
		v.Values[plistEnv] = canonicalPlist(value)
		return
	}
	for name, value := range dict {
		text := ShowEnv(name, canonicalPlist(value))
		if strings.HasPrefix(name, envPrefix) {
			v.Values[plistEnv+"["+name+"]"] = text
			continue
		}
		v.Foreign = append(v.Foreign, KeyValue{Key: plistEnv, Value: name + "=" + text})
	}
}

// canonicalPlist writes a value for people: text as it is, all else as JSON with
// sorted keys.
func canonicalPlist(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	return plistJSON(value)
}

func plistJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil { // NaN and infinity, which no key of ours takes
		return fmt.Sprint(value)
	}
	return string(text)
}
