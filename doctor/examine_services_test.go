package doctor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/servicegen"
)

func serviceExams() []exam {
	// beside puts a unit beside that of the profile, enabled.
	beside := func(name, exec string, more ...string) func(*testing.T, *Target, *Observation) {
		return func(t *testing.T, g *Target, o *Observation) {
			dir, scope := t.TempDir(), servicegen.ScopeUser
			if strings.HasPrefix(name, "system/") {
				scope = servicegen.ScopeSystem
			}
			name := filepath.Base(name)
			unitIn(t, dir, name, "[Service]\nExecStart="+exec+"\n"+strings.Join(more, "\n")+"\n")
			g.Profiles = registry(t, "")
			o.Machine = &Machine{Format: servicegen.FormatSystemd, Services: observeServices(servicegen.FormatSystemd, []UnitDir{{dir, scope}}, "/home/ann")}
		}
	}
	return []exam{
		{"the same unit in the system", beside("system/coderclaw-gateway-dev.service", "/bin/sh supervisor run --profile dev"), []Code{ServiceTwoScopes}},
		{"another unit of the profile", beside("mine.service", "/bin/sh supervisor run --profile=dev"), []Code{ServiceTwice}},
		{"a unit of all profiles", beside("mine.service", "/bin/sh supervisor run --all"), []Code{ServiceTwice}},
		{"a unit of another profile", beside("coderclaw-gateway-rescue.service", "/bin/sh supervisor run --profile rescue"), nil},
		{"a unit of no profile", beside("coderclaw-gateway-gone.service", "/bin/sh supervisor run gone"), []Code{ServiceOrphan}},
		{"a unit of another registry", beside("mine.service", "/bin/sh supervisor run --profile dev", "Environment=CODERCLAW_REGISTRY=/elsewhere.toml"), []Code{ServiceOtherSetup}},
		{"another product on the port", beside("openclaw-gateway.service", "/usr/bin/node /x/openclaw/dist/index.js gateway --port 19001 --token "+canary), []Code{ServicePort}},
		{"another product elsewhere", beside("openclaw-gateway.service", "/usr/bin/node /x/openclaw/dist/index.js gateway"), []Code{ServiceOther}},
		{"a stranger on the port", beside("web.service", "/usr/bin/web --port=19001"), []Code{ServicePort}},
		{"a stranger elsewhere", beside("web.service", "/usr/bin/web --port=8080"), nil},
		{"a node host", beside("coderclaw-node.service", "/usr/bin/node /x/coderclaw.js node run"), nil},
		{"a user called like a product", beside("web.service", "/home/openclaw/bin/gateway run"), nil},
		{"the Node product on the port", beside("coderclaw-gateway-old.service", "/usr/bin/node /x/coderclaw.js gateway", "Environment=CODERCLAW_SERVICE_MARKER=coderclaw CODERCLAW_GATEWAY_PORT=19001"), []Code{ServicePort}},
		{"the Node product elsewhere", beside("coderclaw-gateway-old.service", "/usr/bin/node /x/coderclaw.js gateway --port 20000"), []Code{ServiceOther}},
	}
}

// unitIn writes a unit and the link that enables it.
func unitIn(t *testing.T, dir, name, text string) {
	t.Helper()
	wants := filepath.Join(dir, "default.target.wants")
	if err := os.MkdirAll(wants, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, name), filepath.Join(wants, name)); err != nil {
		t.Fatal(err)
	}
}

// TestRemovalsNameTheOtherService: no line takes away the unit of the profile itself.
func TestRemovalsNameTheOtherService(t *testing.T) {
	t.Parallel()
	for _, x := range serviceExams() {
		g := target(t)
		o := healthy(t, g)
		x.change(t, &g, &o)
		for _, f := range Examine(g, o) {
			if !strings.Contains(f.Fix, filepath.Base(f.Path)) || strings.Contains(f.Fix, g.Unit.Path) {
				t.Errorf("%s: %s", x.name, f.Fix)
			}
			system := f.Code == ServiceTwoScopes
			if strings.Contains(f.Fix, "sudo systemctl disable") != system || strings.Contains(f.Fix, "systemctl --user disable") == system {
				t.Errorf("%s: the line is for the wrong manager: %s", x.name, f.Fix)
			}
		}
	}
}

func TestServicesOfLaunchd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	plist := `<?xml version="1.0"?><plist version="1.0"><dict><key>Label</key><string>ai.openclaw.gateway</string><key>ProgramArguments</key>
<array><string>/usr/local/bin/node</string><string>/x/index.js</string><string>gateway</string><string>--port</string><string>19001</string></array></dict></plist>`
	if err := os.WriteFile(filepath.Join(dir, "ai.openclaw.gateway.plist"), []byte(plist), 0o600); err != nil {
		t.Fatal(err)
	}
	got := observeServices(servicegen.FormatLaunchd, []UnitDir{{dir, servicegen.ScopeUser}, {dir + "/gone", servicegen.ScopeSystem}}, "")
	if len(got) != 1 || got[0].Product != "openclaw" || got[0].Port != 19001 || got[0].Name != "ai.openclaw.gateway" || !got[0].Enabled {
		t.Fatalf("got %+v", got)
	}
	e := examiner{o: Observation{Machine: &Machine{Format: servicegen.FormatLaunchd}}}
	if line := e.remove(got[0]); !strings.HasPrefix(line, "launchctl bootout gui/$(id -u)/ai.openclaw.gateway; rm ") {
		t.Error(line)
	}
	got[0].Scope = servicegen.ScopeSystem
	if line := e.remove(got[0]); !strings.HasPrefix(line, "sudo launchctl bootout system/ai.openclaw.gateway; sudo rm ") {
		t.Error(line)
	}
	env := func(name string) (string, bool) { return "/Users/ann", name == "HOME" }
	if dirs := ServiceDirs(servicegen.FormatLaunchd, env); !slices.Contains(dirs, UnitDir{"/Users/ann/Library/LaunchAgents", servicegen.ScopeUser}) || len(dirs) != 3 {
		t.Errorf("got %v", dirs)
	}
}
