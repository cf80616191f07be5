package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/servicegen"
)

// dropIns looks at what each drop-in changes, by its effect in the end: a value
// that a later one changes back is of no account.
func (e *examiner) dropIns() {
	format, scope := e.t.Host.Format(), e.t.Unit.Scope
	before, err := servicegen.ParseView(format, scope, e.o.Disk.Raw)
	if err != nil {
		return // said of the file
	}
	end, err := e.effective()
	if err != nil {
		return
	}
	var texts [][]byte
	for _, in := range e.o.DropIns {
		alone, err := servicegen.ParseView(format, scope, in.Raw)
		if in.Err != nil {
			err = in.Err
		}
		if err != nil {
			e.add(DropInBad, ViewDisk, Finding{Path: in.Path, Message: "the drop-in cannot be read: " + err.Error(), Fix: e.removal(in.Path)})
			continue
		}
		texts = append(texts, in.Raw)
		after, err := servicegen.ParseView(format, scope, e.o.Disk.Raw, texts...)
		if err != nil {
			return
		}
		e.dropIn(in.Path, before, after, end, alone)
		before = after
	}
	if found := e.has(UnitStartLimit); !found && limitless(end) && !limitless(e.fileView()) {
		e.mended(UnitStartLimit, Forced, ViewDisk, Finding{Path: e.lastDropIn("StartLimitIntervalSec", "StartLimitBurst", "RestartSec"), Key: "StartLimitIntervalSec",
			Have: end.Values["StartLimitIntervalSec"], Want: "longer than " + end.Values["StartLimitBurst"] + " restarts take"})
	}
}

func (e *examiner) fileView() servicegen.View {
	v, _ := servicegen.ParseView(e.t.Host.Format(), e.t.Unit.Scope, e.o.Disk.Raw) // an empty view decides nothing
	return v
}

// lastDropIn is the path of the last drop-in that sets one of the keys.
func (e *examiner) lastDropIn(keys ...string) string {
	for _, in := range slices.Backward(e.o.DropIns) {
		v, err := servicegen.ParseView(e.t.Host.Format(), e.t.Unit.Scope, in.Raw)
		if err == nil && slices.ContainsFunc(keys, func(k string) bool { return v.Values[k] != "" }) {
			return in.Path
		}
	}
	return e.t.Unit.Path
}

// removal is how a person takes a drop-in away.
func (e *examiner) removal(path string) string {
	return "run: " + sudo(e.scopeOf(path)) + "rm " + quote(path) + " && " + e.systemctl("daemon-reload")
}

// dropIn notes what one drop-in does to the managed settings, and what it adds.
func (e *examiner) dropIn(path string, before, after, end, alone servicegen.View) {
	n := len(e.found)
	for _, d := range servicegen.Diff(before, after) {
		if end.Values[d.Key] != d.Have {
			continue
		}
		f := Finding{Path: path, Key: d.Key, Have: d.Have, Want: d.Want}
		switch {
		case isVariable(d.Key) && d.Key != registryKey:
			f.Want = "" // whatever the file says, a drop-in is no place for it
			e.variable(Forced, f)
			continue
		case isStopClock(d.Key) && e.tooShort(d.Have):
			e.mended(UnitStopClock, Forced, ViewDisk, f)
			continue
		}
		switch effect, why := e.effect(d, end); effect {
		case breaks:
			f.Message = "The drop-in sets " + d.Key + ": " + why + "."
			e.add(DropInBreaks, ViewDisk, f)
		case weakens:
			f.Message = "The drop-in sets " + d.Key + ": " + why + "."
			e.add(DropInOverride, ViewDisk, f)
		default:
			e.add(UnitDropIn, ViewDisk, f)
		}
	}
	e.foreignKeys(path, alone.Foreign, false)
	if len(e.found) == n {
		f := Finding{Path: path}
		for _, kv := range alone.Foreign {
			f.Key = strings.TrimPrefix(f.Key+", "+kv.Key, ", ")
		}
		e.add(UnitDropIn, ViewDisk, f)
	}
}

const registryKey = "Environment[CODERCLAW_REGISTRY]"

// The effects that a changed setting can have on the service.
type effect int

const (
	harmless effect = iota
	weakens
	breaks
)

// effect judges a managed setting that a drop-in has changed.
func (e *examiner) effect(d servicegen.Difference, end servicegen.View) (effect, string) {
	have := d.Have
	switch d.Key {
	case "ExecStart":
		want := strings.Join(e.t.Spec.Exec[1:], " ")
		words, err := servicegen.Words(have)
		if err == nil && len(words) > 0 && strings.Join(words[1:], " ") == want {
			return weakens, "another program of the same arguments is started"
		}
		return breaks, "what is started is not the supervisor of this profile"
	case registryKey:
		return breaks, "the supervisor reads another registry than this one"
	case "Type":
		if have == "notify-reload" {
			return harmless, ""
		}
		if have == "simple" || have == "exec" {
			return weakens, "systemd no longer waits until the supervisor is ready"
		}
		return breaks, "systemd expects a process that a supervisor is not"
	case "NotifyAccess":
		if have == "none" {
			return breaks, "systemd does not hear that the supervisor is ready, and ends it"
		}
	case "Restart":
		if have == "no" || have == "on-success" {
			return weakens, "after a crash the service stays down"
		}
		if have == "always" {
			return weakens, "a supervisor that was told to end is started again"
		}
	case "RestartPreventExitStatus":
		if !slices.Contains(strings.Fields(have), "78") {
			return weakens, "a registry that cannot be read leads to a loop of starts"
		}
	case "KillMode":
		if have != "mixed" && have != "control-group" {
			return weakens, "what the gateways have started may outlive them"
		}
		if have == "control-group" {
			return weakens, "a stop signals the tools of the gateways at once, before those had time to finish"
		}
	case "Delegate":
		if have == "no" || have == "" {
			return weakens, "the supervisor has no control groups to end whole trees with"
		}
	case "WatchdogSec":
		if have == "" || have == "0s" {
			return weakens, "nobody notices a supervisor that hangs"
		}
	case "UMask":
		if n, err := strconv.ParseUint(have, 8, 32); err == nil && n&0o077 != 0o077 {
			return weakens, "what the supervisor writes may be open to others"
		}
	case "User":
		return breaks, "the supervisor runs as a user whose files these are not"
	case "TimeoutStopSec", "ExitTimeOut":
		return harmless, "" // long enough, or it would be a finding of its own
	}
	return harmless, ""
}

// tooShort tells whether a stop time-out ends before the gateways had the time
// that the profile grants them.
func (e *examiner) tooShort(value string) bool {
	if n, err := strconv.Atoi(value); err == nil { // a plist counts seconds
		return n > 0 && time.Duration(n)*time.Second < e.t.Profile.Grace()
	}
	d, err := time.ParseDuration(value)
	return err == nil && d > 0 && d < e.t.Profile.Grace()
}

// limitless tells whether the start limit of a view can never be reached: it is
// off, or so many starts take longer than its interval.
func limitless(v servicegen.View) bool {
	burst, err := strconv.Atoi(v.Values["StartLimitBurst"])
	if err != nil {
		return false
	}
	interval, err := time.ParseDuration(v.Values["StartLimitIntervalSec"])
	if err != nil {
		return false // unset, or without end
	}
	pause, err := time.ParseDuration(v.Values["RestartSec"])
	if err != nil {
		pause = 0
	}
	return interval == 0 || burst == 0 || time.Duration(burst)*pause >= interval
}

// foreignKeys notes the settings of a file that are not ours.
func (e *examiner) foreignKeys(path string, foreign []servicegen.KeyValue, main bool) {
	var names []string
	for _, kv := range foreign {
		if name, value, ok := strings.Cut(kv.Value, "="); ok && strings.HasPrefix(kv.Key, "Environment") && kv.Key != "EnvironmentFile" && isSecretName(name) {
			e.mended(UnitSecret, ByHand, ViewDisk, Finding{Path: path, Key: name, Have: value,
				Fix: fmt.Sprintf("move the line to %s and remove it from the unit", quote(e.t.Profile.EnvFile()))})
			continue
		}
		if why := e.hazard(kv); why != "" {
			e.add(UnitHazard, ViewDisk, Finding{Path: path, Key: kv.Key, Have: kv.Value, Message: kv.Key + "=" + kv.Value + ": " + why + ".",
				Fix: fmt.Sprintf("remove %s from %s, then run: %s", kv.Key, quote(path), e.systemctl("daemon-reload"))})
			continue
		}
		names = append(names, firstOf(kv.Key, kv.Value))
	}
	if main && len(names) > 0 {
		e.add(UnitForeignKey, ViewDisk, Finding{Path: path, Key: strings.Join(names, ", "), Fix: "nothing; a drop-in is a better place: " + e.systemctl("edit "+e.t.Unit.Name)})
	}
}

// hazard says what a setting that is not ours does to the service, "" when that
// is no harm for certain.
func (e *examiner) hazard(kv servicegen.KeyValue) string {
	system := e.t.Unit.Scope == servicegen.ScopeSystem
	on := slices.Contains([]string{"1", "yes", "true", "on"}, strings.ToLower(kv.Value))
	switch kv.Key {
	case "RuntimeMaxSec":
		if kv.Value != "" && kv.Value != "infinity" {
			return "the service is ended after that time, whatever it does"
		}
	case "User", "DynamicUser":
		if !system && kv.Value != "" && (kv.Key == "User" || on) {
			return "a user's manager cannot start programs as somebody else"
		}
	case "RemainAfterExit":
		if on {
			return "a service that has ended counts as running, and is not started again"
		}
	case "RefuseManualStart", "RefuseManualStop":
		if on {
			return "the service cannot be started or stopped on request"
		}
	case "PrivateNetwork":
		if on && system {
			return "nobody can reach the gateway"
		}
	case "ProtectHome":
		if system && kv.Value != "no" && kv.Value != "false" && kv.Value != "" {
			return "the state dir cannot be written where it lies below a home"
		}
	case "RestartForceExitStatus":
		if slices.Contains(strings.Fields(kv.Value), "78") || slices.Contains(strings.Fields(kv.Value), "0") {
			return "an end that is meant leads to another start"
		}
	}
	return ""
}
