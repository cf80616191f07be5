package servicegen

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"howett.net/plist"
	"pgregory.net/rapid"
)

// launchdKeys are the keys of launchd.plist(5) with the types that launchd takes:
// s string, b bool, i integer, d dict, a array of strings. "old" marks those that
// launchd no longer heeds, and "daemon" those that only a job of the machine may have.
var launchdKeys = map[string]string{
	"Label": "s", "Disabled": "b", "UserName": "s daemon", "GroupName": "s daemon", "inetdCompatibility": "d", "LimitLoadToHosts": "a old",
	"LimitLoadFromHosts": "a old", "LimitLoadToSessionType": "sa", "LimitLoadToHardware": "d", "LimitLoadFromHardware": "d",
	"Program": "s", "BundleProgram": "s", "ProgramArguments": "a", "EnableGlobbing": "b old", "EnableTransactions": "b",
	"EnablePressuredExit": "b", "OnDemand": "b old", "ServiceIPC": "b old", "KeepAlive": "bd", "RunAtLoad": "b", "RootDirectory": "s",
	"WorkingDirectory": "s", "EnvironmentVariables": "d", "Umask": "is", "TimeOut": "i", "ExitTimeOut": "i", "ThrottleInterval": "i",
	"InitGroups": "b daemon", "WatchPaths": "a", "QueueDirectories": "a", "StartOnMount": "b", "StartInterval": "i",
	"StartCalendarInterval": "d", "StandardInPath": "s", "StandardOutPath": "s", "StandardErrorPath": "s", "Debug": "b",
	"WaitForDebugger": "b", "SoftResourceLimits": "d", "HardResourceLimits": "d", "Nice": "i", "ProcessType": "s",
	"AbandonProcessGroup": "b", "LowPriorityIO": "b", "LowPriorityBackgroundIO": "b", "MaterializeDatalessFiles": "b",
	"LaunchOnlyOnce": "b", "MachServices": "d", "Sockets": "d", "LaunchEvents": "d", "HopefullyExitsLast": "b old",
	"HopefullyExitsFirst": "b old", "SessionCreate": "b daemon", "LegacyTimers": "b", "AssociatedBundleIdentifiers": "sa",
	"Comment": "s", // for people; launchd passes over what it does not know
}

// checkLaunchd tells what launchd would not take, or not heed, in a property list.
func checkLaunchd(d map[string]any, machine bool) []string {
	var bad []string
	for key, value := range d {
		kinds, known := launchdKeys[key]
		var kind byte
		switch v := value.(type) {
		case string:
			kind = 's'
		case bool:
			kind = 'b'
		case uint64, int64:
			kind = 'i'
		case map[string]any:
			kind = 'd'
		case []any:
			kind = 'a'
			for _, item := range v {
				if _, ok := item.(string); !ok {
					kind = 'x'
				}
			}
		}
		letters, marks, _ := strings.Cut(kinds, " ")
		switch {
		case !known:
			bad = append(bad, key+": launchd has no such key")
		case marks == "old":
			bad = append(bad, key+": launchd does not heed it any more")
		case marks == "daemon" && !machine:
			bad = append(bad, key+": only a job of the machine may have it")
		case !slices.Contains([]byte(letters), kind):
			bad = append(bad, key+": wrong type")
		}
	}
	for key, allowed := range map[string][]string{
		"ProcessType": {"Background", "Standard", "Adaptive", "Interactive"}, "LimitLoadToSessionType": {"Aqua", "Background", "LoginWindow", "StandardIO", "System"},
	} {
		for _, word := range plistDict(d).words(key) {
			if !slices.Contains(allowed, word) {
				bad = append(bad, key+": launchd does not know "+word)
			}
		}
	}
	if keep, ok := d["KeepAlive"].(map[string]any); ok {
		for key := range keep {
			if !slices.Contains([]string{"SuccessfulExit", "NetworkState", "PathState", "OtherJobEnabled", "Crashed", "AfterInitialDemand"}, key) {
				bad = append(bad, "KeepAlive: launchd does not know "+key)
			}
		}
	}
	for name, value := range plistDict(d).dict(plistEnv) {
		if _, ok := value.(string); !ok {
			bad = append(bad, plistEnv+": "+name+" is no string")
		}
	}
	slices.Sort(bad)
	return bad
}

func (d plistDict) dict(key string) map[string]any { m, _ := d[key].(map[string]any); return m }

// words are the strings of a key that takes one or a list.
func (d plistDict) words(key string) []string {
	if s, ok := d[key].(string); ok {
		return []string{s}
	}
	return d.strings(key)
}

func decoded(t interface{ Fatalf(string, ...any) }, text []byte) map[string]any {
	d := map[string]any{}
	if _, err := plist.Unmarshal(text, &d); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d
}

func TestLaunchdTakesWhatWeRender(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawSpec(t, FormatLaunchd)
		text, err := s.Plist()
		if err != nil {
			t.Fatal(err)
		}
		if bad := checkLaunchd(decoded(t, text), s.Scope == ScopeSystem); len(bad) > 0 {
			t.Fatalf("%q\n%s", bad, text)
		}
	})
}

func TestLaunchdTableFindsFaults(t *testing.T) {
	t.Parallel()
	got := checkLaunchd(map[string]any{
		"Lable": "x", "RunAtLoad": "yes", "OnDemand": true, "UserName": "ann", "ProgramArguments": []any{"a", uint64(1)},
		"KeepAlive": map[string]any{"Always": true}, "ProcessType": "Fast", "EnvironmentVariables": map[string]any{"A": uint64(1)},
		"ExitTimeOut": 1.5, "LimitLoadToSessionType": "Desk",
	}, false)
	want := []string{
		"EnvironmentVariables: A is no string", "ExitTimeOut: wrong type", "KeepAlive: launchd does not know Always", "Lable: launchd has no such key",
		"LimitLoadToSessionType: launchd does not know Desk", "OnDemand: launchd does not heed it any more", "ProcessType: launchd does not know Fast",
		"ProgramArguments: wrong type", "RunAtLoad: wrong type", "UserName: only a job of the machine may have it",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Python reads property lists by code of its own, and must find in them what we do.
func TestPlistlibReadsTheSame(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("python3 is not installed")
	}
	files, err := filepath.Glob("testdata/render/*.plist")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	const script = "import json, plistlib, sys\njson.dump([plistlib.load(open(f, 'rb')) for f in sys.argv[1:]], sys.stdout)"
	cmd := exec.CommandContext(t.Context(), python, append([]string{"-c", script}, files...)...)
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var theirs []any
	if err := json.Unmarshal(out, &theirs); err != nil {
		t.Fatal(err)
	}
	for i, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		mine, err := json.Marshal(decoded(t, text))
		if err != nil {
			t.Fatal(err)
		}
		var ours any
		if err := json.Unmarshal(mine, &ours); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(theirs[i], ours); d != "" {
			t.Errorf("%s (-plistlib +ours)\n%s", name, d)
		}
		if bad := checkLaunchd(decoded(t, text), plistDict(decoded(t, text)).text("UserName") != ""); len(bad) > 0 {
			t.Errorf("%s: %q", name, bad)
		}
	}
}
