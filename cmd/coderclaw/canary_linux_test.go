package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/internal/systemdtest"
	"github.com/coderclaw/coderclaw/servicegen"
)

// canaries are random secrets by where they were planted.
type canaries map[string]string

func (c canaries) in(text []byte) []string {
	var found []string
	for _, where := range slices.Sorted(maps.Keys(c)) {
		if bytes.Contains(text, []byte(c[where])) {
			found = append(found, where)
		}
	}
	return found
}

// aviary is a user's machine with secrets in every place that people put them.
type aviary struct {
	host
	home    string
	planted canaries
	shell   []string // environment of the commands that the person types
	said    bytes.Buffer
}

// typed runs a command line of the person, and keeps what it printed.
func (a *aviary) typed(args ...string) string {
	a.Helper()
	ctx, cancel := context.WithTimeout(a.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "coderclaw", args...)
	cmd.Env = a.shell
	out, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		a.Fatalf("coderclaw %v: %v", args, err)
	}
	a.said.Write(out)
	if found := a.planted.in(out); len(found) > 0 {
		a.Errorf("coderclaw %v prints the secret of %q:\n%s", args, found, out)
	}
	return string(out)
}

// TestSecretsAreKept plants random secrets and looks for them wherever anybody
// else could find them.
func TestSecretsAreKept(t *testing.T) {
	t.Parallel()
	if !systemdtest.Inside(t) {
		return
	}
	home, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	a := &aviary{host: host{t, filepath.Join(home, ".config", "systemd", "user")}, home: home, planted: canaries{}}
	for _, where := range []string{"config", ".env", "shell token", "shell password", "shell key", "flag", "unit", "manager"} {
		a.planted[where] = "canary" + rand.Text()
	}
	a.shell = append(os.Environ(), "CODERCLAW_GATEWAY_TOKEN="+a.planted["shell token"], "CODERCLAW_GATEWAY_PASSWORD="+a.planted["shell password"],
		"OPENAI_API_KEY="+a.planted["shell key"], "CANARY_PASSED="+a.planted["shell key"])
	a.must("systemctl", "--user", "is-system-running", "--wait")
	a.must("systemctl", "--user", "set-environment", "CANARY_PASSED="+a.planted["manager"])
	defer a.watch(t.Context())()
	a.plant()

	a.typed("gateway", "install", "--socket")
	a.ready()
	a.typed("gateway", "status", "--token", a.planted["flag"])
	a.typed("health", "--token", a.planted["flag"])
	pid := a.pid("default")
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	a.until("another gateway", func() bool { next := a.pid("default"); return next != 0 && next != pid })
	a.ready()
	a.typed("supervisor", "reexec")
	a.typed("crashes", "list")
	a.typed("logs", "--plain", "--limit", "1000")

	// Somebody writes a token into the unit by hand. What is undone may hold it, and nothing else.
	const unit = "coderclaw-gateway.service"
	path := filepath.Join(a.units, unit)
	service, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	a.lookAt("the unit", service)
	socket, err := os.ReadFile(filepath.Join(a.units, "coderclaw-gateway.socket"))
	if err != nil {
		t.Fatal(err)
	}
	a.lookAt("the socket unit", socket)
	spoilt := strings.Replace(string(service), "[Service]\n", "[Service]\nEnvironment=CODERCLAW_GATEWAY_TOKEN="+a.planted["unit"]+"\n", 1)
	if err := os.WriteFile(path, []byte(spoilt), 0o600); err != nil {
		t.Fatal(err)
	}
	a.must("systemctl", "--user", "daemon-reload")
	a.typed("doctor")
	a.typed("doctor", "--json")
	a.typed("gateway", "status", "--deep", "--json")
	a.typed("doctor", "--repair", "--dry-run", "--json")
	a.typed("doctor", "--repair", "--non-interactive")
	a.typed("doctor", "undo")
	a.typed("doctor", "--repair", "--non-interactive", "--json")
	a.ready()
	a.typed("doctor", "--json")

	// A config that cannot be read is quoted by nobody.
	config := filepath.Join(home, ".coderclaw", "coderclaw.json")
	good, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		strings.Replace(string(good), `"`+a.planted["config"]+`"`, `"`+a.planted["config"], 1),
		strings.Replace(string(good), `"`+a.planted["config"]+`"`, `["`+a.planted["config"]+`"]`, 1),
		strings.Replace(string(good), `"token"`, `"tokn"`, 1),
	} {
		if err := os.WriteFile(config, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		a.typed("doctor", "--json")
		a.typed("gateway", "restart")
		a.typed("ps", "-v")
	}
	if err := os.WriteFile(config, good, 0o600); err != nil {
		t.Fatal(err)
	}
	a.typed("gateway", "restart")
	a.ready()
	for _, target := range servicegen.Targets() {
		a.typed("service", "render", "--target", string(target), "--user", "claw", "--json")
	}
	a.children()
	a.typed("gateway", "uninstall")
	a.files()
	journal := a.must("journalctl", "--quiet", "--output=export", "--all")
	a.lookAt("the journal", []byte(journal))
	if !strings.Contains(journal, "ready profile=default") {
		t.Error("the journal has nothing of the gateway")
	}
}

// plant puts secrets into config and .env.
func (a *aviary) plant() {
	a.Helper()
	registry := filepath.Join(a.home, ".config", "coderclaw", "profiles.toml")
	if err := os.MkdirAll(filepath.Dir(registry), 0o700); err != nil {
		a.Fatal(err)
	}
	if err := os.WriteFile(registry, []byte("[profiles.default]\npass_env = [\"CANARY_PASSED\"]\n"), 0o600); err != nil {
		a.Fatal(err)
	}
	a.typed("setup")
	state := filepath.Join(a.home, ".coderclaw")
	text, err := os.ReadFile(filepath.Join(state, "coderclaw.json"))
	if err != nil {
		a.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(text, &config); err != nil {
		a.Fatal(err)
	}
	config["gateway"].(map[string]any)["auth"] = map[string]any{"mode": "token", "token": a.planted["config"]}
	config["talk"] = map[string]any{"apiKey": "${CANARY_KEY}"}
	if text, err = json.MarshalIndent(config, "", "  "); err != nil {
		a.Fatal(err)
	}
	for name, text := range map[string]string{"coderclaw.json": string(text), ".env": "CANARY_KEY=" + a.planted[".env"] + "\n"} {
		if err := os.WriteFile(filepath.Join(state, name), []byte(text), 0o600); err != nil {
			a.Fatal(err)
		}
	}
}

func (a *aviary) lookAt(what string, text []byte) {
	a.Helper()
	if found := a.planted.in(text); len(found) > 0 {
		a.Errorf("%s holds the secret of %q", what, found)
	}
}

// watch looks at the arguments and the environment of every process until the
// function that it returns is called. What the person typed, and what the manager
// was told to pass on, by a variable or by a unit, is theirs.
func (a *aviary) watch(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	seen, suspects := map[string]bool{}, map[int]bool{}
	own := maps.Clone(a.planted)
	delete(own, "manager")
	delete(own, "unit")
	wg.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			entries, err := os.ReadDir("/proc")
			if err != nil {
				continue
			}
			// Between fork and exec a child shows what its parent has; only what stays counts.
			last := suspects
			suspects = map[int]bool{}
			for _, e := range entries {
				pid, err := strconv.Atoi(e.Name())
				if err != nil || pid == os.Getpid() || parentOf(pid) == os.Getpid() {
					continue
				}
				found := own.in(tellsAll(pid))
				if len(found) == 0 {
					continue
				}
				suspects[pid] = true
				if last[pid] {
					seen[fmt.Sprintf("%q with the secret of %q", bytes.ReplaceAll(read(pid, "cmdline"), []byte{0}, []byte{' '}), found)] = true
				}
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
		for what := range seen {
			a.Errorf("seen in /proc: %s", what)
		}
	}
}

func read(pid int, name string) []byte {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name)) // it may have gone
	return text
}

func tellsAll(pid int) []byte { return append(read(pid, "cmdline"), read(pid, "environ")...) }

func parentOf(pid int) int {
	for line := range strings.Lines(string(read(pid, "status"))) {
		if text, ok := strings.CutPrefix(line, "PPid:"); ok {
			n, _ := strconv.Atoi(strings.TrimSpace(text))
			return n
		}
	}
	return 0
}

// children have nothing of the manager's environment but by the pipe.
func (a *aviary) children() {
	a.Helper()
	pid := a.pid("default")
	if pid == 0 {
		a.Fatal("no gateway runs")
	}
	a.lookAt("the gateway's arguments or environment", tellsAll(pid))
	main, err := strconv.Atoi(strings.TrimSpace(a.must("systemctl", "--user", "show", "-p", "MainPID", "--value", "coderclaw-gateway.service")))
	if err != nil {
		a.Fatal(err)
	}
	if found := a.planted.in(tellsAll(main)); !slices.Equal(found, []string{"manager"}) {
		a.Errorf("the supervisor's arguments and environment hold the secrets of %q, want what the manager passes on", found)
	}
}

// files holds what lies in home, runtime directory and temporary ones against who
// may know what.
func (a *aviary) files() {
	a.Helper()
	state := filepath.Join(a.home, ".coderclaw")
	mayKnow := map[string][]string{
		filepath.Join(state, "coderclaw.json"): {"config"}, filepath.Join(state, ".env"): {".env"}, filepath.Join(state, "last-good.json"): {"config"},
	}
	looked, known := 0, 0
	for _, top := range []string{a.home, os.Getenv("XDG_RUNTIME_DIR"), "/tmp", "/var/tmp", "/run/log"} {
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil // somebody else's
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return nil
			}
			looked++
			found := a.planted.in(text)
			if slices.Equal(found, mayKnow[path]) && len(found) > 0 {
				known++
			}
			// What doctor puts back byte for byte is what it took away.
			kept := strings.HasPrefix(path, filepath.Join(state, "backups")+"/") || strings.HasPrefix(path, filepath.Join(state, "doctor")+"/")
			for _, where := range found {
				if !slices.Contains(mayKnow[path], where) && (!kept || where != "unit") {
					a.Errorf("%s holds the secret of %q", path, where)
				}
			}
			info, err := d.Info()
			if len(found) > 0 && (err != nil || info.Mode().Perm() != 0o600) {
				a.Errorf("%s holds secrets and has mode %v", path, info.Mode())
			}
			return nil
		})
		if err != nil {
			a.Error(err)
		}
	}
	if looked < 10 || known != len(mayKnow) { // or nothing was looked at
		a.Errorf("%d files were found, and secrets in %d that hold some", looked, known)
	}
}
