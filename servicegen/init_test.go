package servicegen

import (
	"io/fs"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInit(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		files map[string]string // "" for one that only exists
		env   []string
		want  Init
		later bool
	}{
		"Debian":              {map[string]string{"/run/systemd/system": "", "/lib/systemd/systemd": "", "/usr/bin/crontab": "", "/proc/1/comm": "systemd\n"}, nil, Init{Kind: InitSystemd, Installed: true, Cron: true}, true},
		"WSL with systemd":    {map[string]string{"/run/systemd/system": "", "/proc/sys/kernel/osrelease": "5.15.90.1-microsoft-standard-WSL2"}, nil, Init{Kind: InitSystemd, WSL: true}, true},
		"WSL without":         {map[string]string{"/proc/version": "Linux version 5.15 (Microsoft@Microsoft.com)", "/proc/1/comm": "init(Debian)"}, nil, Init{Kind: InitBare, WSL: true}, true},
		"WSL by its variable": {nil, []string{"WSL_DISTRO_NAME", "Debian"}, Init{Kind: InitBare, WSL: true}, true},
		"Docker under WSL":    {map[string]string{"/.dockerenv": "", "/proc/version": "microsoft", "/proc/1/comm": "sh"}, nil, Init{Kind: InitBare, Container: "docker"}, false},
		"docker --init":       {map[string]string{"/.dockerenv": "", "/proc/1/comm": "docker-init\n"}, nil, Init{Kind: InitBare, Container: "docker"}, false},
		"podman":              {map[string]string{"/run/.containerenv": "", "/lib/systemd/systemd": ""}, nil, Init{Kind: InitBare, Container: "podman", Installed: true}, false},
		"pod":                 {nil, []string{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}, Init{Kind: InitBare, Container: "kubernetes"}, false},
		"by its groups":       {map[string]string{"/proc/1/cgroup": "12:pids:/lxc/9\n"}, nil, Init{Kind: InitBare, Container: "lxc"}, false},
		"nspawn with systemd": {map[string]string{"/run/systemd/container": "systemd-nspawn\n", "/run/systemd/system": ""}, nil, Init{Kind: InitSystemd, Container: "systemd-nspawn"}, true},
		"Alpine":              {map[string]string{"/run/openrc/softlevel": "", "/usr/bin/crontab": "", "/proc/1/comm": "init"}, nil, Init{Kind: InitOpenRC, Cron: true}, false},
		"Void":                {map[string]string{"/proc/1/comm": "runit\n"}, nil, Init{Kind: InitRunit}, false},
		"s6-overlay":          {map[string]string{"/.dockerenv": "", "/proc/1/comm": "s6-svscan"}, nil, Init{Kind: InitS6, Container: "docker"}, false},
		"Devuan":              {map[string]string{"/etc/inittab": "", "/proc/1/comm": "init"}, nil, Init{Kind: InitSysV}, false},
		"chroot":              {map[string]string{"/usr/lib/systemd/systemd": ""}, nil, Init{Kind: InitBare, Installed: true}, true},
		"nothing":             {nil, nil, Init{Kind: InitBare}, false},
	} {
		o := HostOptions{
			Env:    lookup(tc.env...),
			Exists: func(path string) bool { _, ok := tc.files[path]; return ok },
			Read: func(path string) ([]byte, error) {
				if text := tc.files[path]; text != "" {
					return []byte(text), nil
				}
				return nil, fs.ErrNotExist
			},
		}
		got := o.Init()
		if d := cmp.Diff(tc.want, got); d != "" || got.Later() != tc.later {
			t.Errorf("%s: later %v, %s", name, got.Later(), d)
		}
	}
}

func TestKeepUp(t *testing.T) {
	t.Parallel()
	s := Spec{Name: "coderclaw-gateway.service", Exec: []string{"/opt/my tools/coderclaw", "supervisor", "run", "--profile", "default"},
		Env: []EnvVar{{"CODERCLAW_REGISTRY", "/home/ann/50%/it's.toml"}}}
	const run = `CODERCLAW_REGISTRY='/home/ann/50%/it'\''s.toml' '/opt/my tools/coderclaw' supervisor run --profile default`
	for name, tc := range map[string]struct {
		init Init
		want []string
	}{
		"OpenRC":    {Init{Kind: InitOpenRC}, []string{"#!/sbin/openrc-run", "command='/opt/my tools/coderclaw'", `command_args="supervisor run --profile default"`, "command_user=ann"}},
		"s6":        {Init{Kind: InitS6, Container: "docker"}, []string{"#!/bin/sh", "exec s6-setuidgid ann env " + strings.Replace(run, " '/opt", " HOME=/home/ann '/opt", 1)}},
		"runit":     {Init{Kind: InitRunit}, []string{"exec chpst -u ann env " + strings.Replace(run, " '/opt", " HOME=/home/ann '/opt", 1), "then: ln -s /etc/sv/coderclaw-gateway /var/service/"}},
		"container": {Init{Kind: InitBare, Container: "docker"}, []string{`docker run --init --restart unless-stopped --env 'CODERCLAW_REGISTRY=/home/ann/50%/it'\''s.toml' IMAGE '/opt/my tools/coderclaw' supervisor run --profile default`}},
		"pod":       {Init{Kind: InitBare, Container: "kubernetes"}, []string{run, "nohup env " + run + " >/dev/null 2>&1 &"}},
		"podman":    {Init{Kind: InitBare, Container: "podman"}, []string{`podman run --init --restart unless-stopped --env 'CODERCLAW_REGISTRY=/home/ann/50%/it'\''s.toml' IMAGE '/opt/my tools/coderclaw' supervisor run --profile default`}},
		"cron":      {Init{Kind: InitSysV, Cron: true}, []string{"nohup env " + strings.Replace(run, " '/opt", " HOME=/home/ann '/opt", 1) + " >/dev/null 2>&1 &"}},
		"nothing":   {Init{Kind: InitBare}, []string{"have whatever starts this machine run, as user ann:", run}},
	} {
		got := tc.init.KeepUp(s, "ann", "/home/ann")
		for _, line := range tc.want {
			if !slices.Contains(got, line) {
				t.Errorf("%s lacks %s:\n%s", name, line, strings.Join(got, "\n"))
			}
		}
	}
	// What is to be typed means to a shell what it should.
	sh, err := exec.LookPath("sh")
	if err != nil {
		if runtime.GOOS != "windows" {
			t.Fatal(err)
		}
		t.Skip("no shell there")
	}
	cron := Init{Kind: InitSysV, Cron: true}.KeepUp(s, "ann", "/home/ann")[1]
	out, err := exec.Command(sh, "-c", "crontab() { cat; }; "+cron).Output()
	if want := "@reboot " + strings.ReplaceAll(strings.Replace(run, " '/opt", " HOME=/home/ann '/opt", 1), "%", `\%`) + "\n"; err != nil || !strings.HasSuffix(string(out), want) {
		t.Errorf("crontab gets %q, %v, want %q", out, err, want)
	}
}
