package servicegen

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// systemd itself reads every shape of unit and finds nothing to say.
func TestSystemdAnalyzeIsSilent(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		needAnalyze(t)
	}
	for name, dir := range map[string]string{
		"plain": "bin", "space": "my tools", "dollar": "a$b ${HOME}", "percent": "50%h", "double": `q"q`, "single": "it's", "backslash": `b\n`, "letters": "Größe 日本",
	} {
		for _, scope := range []Scope{ScopeUser, ScopeSystem} {
			t.Run(name+" "+string(scope), func(t *testing.T) {
				t.Parallel()
				home := t.TempDir()
				o := options(FormatSystemd)
				o.Scope = scope
				o.Exe = filepath.Join(home, dir, "coderclaw")
				o.RegistryPath = filepath.Join(home, dir, "profiles.toml")
				write(t, o.Exe, "#!/bin/sh\n")
				if err := os.Chmod(o.Exe, 0o755); err != nil {
					t.Fatal(err)
				}
				s := ForProfile(profile("rescue"), o)
				text, err := s.Systemd()
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(home, s.Name)
				write(t, file, string(text))
				args := []string{"verify", "--man=no", file}
				if scope == ScopeUser {
					args = append([]string{"--user"}, args...)
				}
				cmd := exec.CommandContext(t.Context(), analyze, args...)
				cmd.Env = []string{"HOME=" + home, "XDG_RUNTIME_DIR=" + home, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
				out, err := cmd.CombinedOutput()
				for line := range strings.Lines(string(out)) {
					// Other units of the machine are read too, and are none of our business.
					if strings.Contains(line, s.Name) || strings.Contains(line, home) {
						t.Errorf("systemd-analyze: %s", line)
					}
				}
				if err != nil && len(out) == 0 {
					t.Errorf("systemd-analyze: %v", err)
				}
			})
		}
	}
}

// The test above would be worth nothing if the tool never complained.
func TestSystemdAnalyzeComplains(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		needAnalyze(t)
	}
	home := t.TempDir()
	file := filepath.Join(home, "x.service")
	write(t, file, "[Service]\nExecStart=\"/bin/a'b\" x\n")
	cmd := exec.CommandContext(t.Context(), analyze, "--user", "verify", "--man=no", file)
	cmd.Env = []string{"HOME=" + home, "XDG_RUNTIME_DIR=" + home, "PATH=" + os.Getenv("PATH")}
	out, _ := cmd.CombinedOutput()
	if !strings.Contains(string(out), file+":2:") {
		t.Errorf("a program that systemd refuses passed: %s", out)
	}
}

// needAnalyze ends a test that cannot ask systemd-analyze: where CI is set it is
// to be installed, elsewhere there is nobody to ask.
func needAnalyze(t *testing.T) {
	t.Helper()
	const why = "systemd-analyze is not installed"
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// systemd finds nothing to say of any golden file, but that this machine lacks the
// program.
func TestSystemdAnalyzeOfGoldenFiles(t *testing.T) {
	t.Parallel()
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		needAnalyze(t)
	}
	files, err := filepath.Glob("testdata/render/*.s*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, golden := range files {
		t.Run(filepath.Base(golden), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			head, _, _ := strings.Cut(string(text), "\n")
			fields := strings.Fields(head)
			dir, name := t.TempDir(), fields[len(fields)-1] // the header ends in the unit's name
			write(t, filepath.Join(dir, name), string(text))
			base, suffix, _ := strings.Cut(name, ".")
			switch {
			case suffix == "socket":
				write(t, filepath.Join(dir, base+".service"), "[Service]\nExecStart=/bin/true\n")
			case strings.Contains(string(text), "\nSockets="):
				write(t, filepath.Join(dir, base+".socket"), "[Socket]\nListenStream=1\n")
			}
			args := []string{"verify", "--man=no", filepath.Join(dir, name)}
			if strings.Contains(head, " --user ") {
				args = append([]string{"--user"}, args...)
			}
			cmd := exec.CommandContext(t.Context(), analyze, args...)
			// A short place, for the sockets of other units lie below it.
			cmd.Env = []string{"HOME=" + dir, "XDG_RUNTIME_DIR=/nowhere", "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
			out, err := cmd.CombinedOutput()
			for line := range strings.Lines(string(out)) {
				if (strings.Contains(line, dir) || strings.Contains(line, name)) && !strings.Contains(line, "is not executable: No such file") {
					t.Errorf("systemd-analyze: %s", line)
				}
			}
			if err != nil && len(out) == 0 {
				t.Errorf("systemd-analyze: %v", err)
			}
		})
	}
}
