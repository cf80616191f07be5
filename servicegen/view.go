package servicegen

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// View is one view of a service (desired, on disk, loaded) in canonical form:
// two views that mean the same hold the same text, however it was spelt. A View
// is a value and is not changed once made.
type View struct {
	Format Format
	// Values holds the managed keys. A variable is "Environment[NAME]", in a
	// plist "EnvironmentVariables[NAME]". Secrets are shown as fingerprints.
	Values map[string]string
	// Foreign is what stands there beside the managed keys, in order.
	Foreign []KeyValue
	// Loaded marks a view read from a manager, which does not show all keys.
	Loaded bool
}

// KeyValue is a setting that is not ours. Section is "" in a plist; Key is ""
// for a line that is no setting at all.
type KeyValue struct{ Section, Key, Value string }

// Difference is one managed key on which two views differ. Want or Have is ""
// when that view lacks the key.
type Difference struct{ Key, Want, Have string }

// Diff returns where have differs from want, sorted by key. Keys that a loaded
// view cannot show are passed over, as are values that only the manager can
// resolve (systemd specifiers). Foreign settings never count.
func Diff(want, have View) []Difference {
	keys := maps.Clone(want.Values)
	if keys == nil {
		keys = map[string]string{}
	}
	maps.Copy(keys, have.Values)
	var out []Difference
	for key := range keys {
		w, inWant := want.Values[key]
		h, inHave := have.Values[key]
		if w == h && inWant == inHave {
			continue
		}
		if (want.Loaded || have.Loaded) && !telling(want.Format, key, w, h, inWant && inHave) {
			continue
		}
		if (want.Loaded && !inWant || have.Loaded && !inHave) && isDirective(key) {
			continue // the manager is too old to know it, or has it unset, for which it needs a reload
		}
		out = append(out, Difference{Key: key, Want: w, Have: h})
	}
	slices.SortFunc(out, func(a, b Difference) int { return cmp.Compare(a.Key, b.Key) })
	return out
}

// telling tells whether a difference between a file and a manager's view of
// it means anything.
func telling(f Format, key, a, b string, both bool) bool {
	if f == FormatLaunchd {
		// Which keys launchctl prints depends on the release of macOS, so a
		// missing one says nothing, apart from these.
		return both || key == "ProgramArguments" || strings.HasPrefix(key, plistEnv+"[")
	}
	switch {
	case key == "WantedBy" || key == "After" || key == "Wants":
		return false // the manager merges these with the dependencies of its own
	case strings.HasPrefix(key, "SystemCall"):
		return false // the manager shows single calls and numbers
	case key == "CapabilityBoundingSet" || key == "FileDescriptorName" || key == "Backlog" || key == "BindIPv6Only":
		return both // what stands in for a missing one is the manager's affair
	case hasSpecifier(a) || hasSpecifier(b):
		return false
	case key == "WatchdogSec":
		return both // shown only while the unit runs
	case key == "Delegate" && a != "no" && b != "no" && both:
		return false // the manager shows only the controllers that it has
	case key == "TimeoutStopSec" || key == "UMask":
		return both // what stands in for a missing one depends on the machine
	}
	if shown, ok := systemdDefaults[key]; ok && !both {
		return a+b != shown
	}
	return true
}

// systemdDefaults is what a manager shows for keys that no file sets.
var systemdDefaults = map[string]string{
	"Delegate": "no", "KillMode": "control-group", "NotifyAccess": "main", "Restart": "no", "RestartSec": "100ms",
	"StartLimitBurst": "5", "StartLimitIntervalSec": "10s", "Type": "simple",
	"NoNewPrivileges": "no", "ProtectSystem": "no", "PrivateDevices": "no", "PrivateMounts": "no", "ProtectClock": "no",
	"ProtectHostname": "no", "ProtectKernelLogs": "no", "ProtectKernelModules": "no", "ProtectKernelTunables": "no",
	"RestrictNamespaces": "no", "RestrictRealtime": "no", "RestrictSUIDSGID": "no", "LockPersonality": "no",
	"NoDelay": "no", "FreeBind": "no",
}

// ParseView reads a service file. overrides are the drop-ins of a systemd unit
// in the order in which they apply: with them the view is what the manager
// would load, without them it is what the file itself says.
func ParseView(f Format, scope Scope, src []byte, overrides ...[]byte) (View, error) {
	switch f {
	case FormatLaunchd:
		return plistView(src)
	case FormatSystemd:
		files := make([]*UnitFile, 0, 1+len(overrides))
		for _, text := range slices.Concat([][]byte{src}, overrides) {
			u, err := ParseUnit(text)
			if err != nil {
				return View{}, err
			}
			files = append(files, u)
		}
		return unitView(scope, files...), nil
	}
	return View{}, fmt.Errorf("format %q has no file to read", f)
}

// ShowEnv returns value as it may be shown: for a variable whose name says that
// it holds a secret, the first four hex digits of its SHA-256.
func ShowEnv(name, value string) string {
	upper := strings.ToUpper(name)
	for _, mark := range []string{"TOKEN", "PASSWORD", "PASSWD", "SECRET", "KEY", "CREDENTIAL"} {
		if strings.Contains(upper, mark) && value != "" {
			sum := sha256.Sum256([]byte(value))
			return "(secret, sha256 " + hex.EncodeToString(sum[:2]) + "…)"
		}
	}
	return value
}
