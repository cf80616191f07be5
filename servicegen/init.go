package servicegen

import "strings"

// InitKind names what starts services on a machine.
type InitKind string

// The kinds. InitBare is a process that only reaps, as containers have, or none.
const (
	InitSystemd InitKind = "systemd"
	InitOpenRC  InitKind = "OpenRC"
	InitS6      InitKind = "s6"
	InitRunit   InitKind = "runit"
	InitSysV    InitKind = "sysvinit"
	InitBare    InitKind = "none"
)

// Init is what keeps programs running on a machine without macOS or Windows.
type Init struct {
	Kind      InitKind
	WSL       bool   // Windows Subsystem for Linux, outside of any container
	Container string // docker, podman, …; "" outside of containers
	Installed bool   // systemd is there, whether it runs or not
	Cron      bool   // there is a cron
}

// Init finds out what runs this machine, from files and variables only.
func (o HostOptions) Init() Init {
	o = o.filled()
	i := Init{Kind: InitBare, Installed: o.Exists("/lib/systemd/systemd") || o.Exists("/usr/lib/systemd/systemd"),
		Cron: o.Exists("/usr/bin/crontab") || o.Exists("/bin/crontab"), Container: o.container()}
	i.WSL = i.Container == "" && o.wsl() // a container's kernel may be WSL's
	first := strings.TrimSpace(o.read("/proc/1/comm"))
	switch {
	case o.Exists("/run/systemd/system"):
		i.Kind = InitSystemd
	case o.Exists("/run/openrc/softlevel"):
		i.Kind = InitOpenRC
	case strings.HasPrefix(first, "s6-svscan"), o.Exists("/run/s6/services"), o.Exists("/run/s6/basedir"):
		i.Kind = InitS6
	case strings.HasPrefix(first, "runit"), strings.HasPrefix(first, "runsvdir"):
		i.Kind = InitRunit
	case first == "init" && i.Container == "" && o.Exists("/etc/inittab"):
		i.Kind = InitSysV
	}
	return i
}

// wsl follows spec/services §10.
func (o HostOptions) wsl() bool {
	for _, name := range []string{"WSL_INTEROP", "WSL_DISTRO_NAME", "WSLENV"} {
		if v, _ := o.Env(name); v != "" {
			return true
		}
	}
	for _, file := range []string{"/proc/sys/kernel/osrelease", "/proc/version"} {
		if text := strings.ToLower(o.read(file)); strings.Contains(text, "microsoft") || strings.Contains(text, "wsl") {
			return true
		}
	}
	return false
}

// container names the kind of container around us, "" for none.
func (o HostOptions) container() string {
	if kind := strings.TrimSpace(o.read("/run/systemd/container")); kind != "" && kind != "wsl" {
		return kind
	}
	if kind, _ := o.Env("container"); kind != "" && kind != "wsl" {
		return kind
	}
	switch {
	case o.Exists("/.dockerenv"):
		return "docker"
	case o.Exists("/run/.containerenv"):
		return "podman"
	}
	if host, _ := o.Env("KUBERNETES_SERVICE_HOST"); host != "" {
		return "kubernetes"
	}
	groups := o.read("/proc/1/cgroup")
	for _, mark := range []string{"kubepods", "docker", "containerd", "libpod", "lxc"} {
		if strings.Contains(groups, mark) {
			return mark
		}
	}
	return ""
}

func (o HostOptions) read(file string) string {
	text, err := o.Read(file)
	if err != nil {
		return "" // absent, or not ours to read: no evidence
	}
	return string(text)
}

// Later tells whether a systemd unit that is written now will be started one day
// although no manager answers: systemd runs but not for this user yet, or it
// will from the next boot on.
func (i Init) Later() bool {
	return i.Kind == InitSystemd || (i.Kind == InitBare && i.Container == "" && (i.WSL || i.Installed))
}

// WSLHint says how systemd is switched on under WSL.
const WSLHint = "switch systemd on: put the lines [boot] and systemd=true into /etc/wsl.conf, run `wsl --shutdown` in PowerShell, and open the distribution again"

// KeepUp tells a person how to keep s running as user with what there is, when
// no manager that servicegen knows can: one line of explanation, then lines to
// be typed or put into a file as they are. home is the user's home directory.
func (i Init) KeepUp(s Spec, userName, home string) []string {
	name := strings.TrimSuffix(s.Name, ".service")
	env := s.Env
	if i.Kind != InitBare {
		env = setEnv(append([]EnvVar(nil), s.Env...), EnvVar{"HOME", home}) // a login sets it, these do not
	}
	var vars []string
	for _, e := range env {
		vars = append(vars, e.Name+"="+shellQuote(e.Value))
	}
	var words []string
	for _, word := range s.Exec {
		words = append(words, shellQuote(word))
	}
	command := strings.Join(words, " ")
	withEnv := strings.Join(append(vars, command), " ")
	background := "nohup env " + withEnv + " >/dev/null 2>&1 &"
	script := func(file, setUser string) []string {
		return []string{"put these lines into " + file + " and make it executable:", "#!/bin/sh", "exec 2>&1", "exec " + setUser + " env " + withEnv}
	}
	switch {
	case i.Kind == InitOpenRC:
		return []string{"OpenRC runs this machine; put these lines into /etc/init.d/" + name + ", make it executable, and run: rc-update add " + name + " && rc-service " + name + " start",
			"#!/sbin/openrc-run", "supervisor=supervise-daemon", "command=" + words[0], `command_args="` + strings.Join(words[1:], " ") + `"`,
			"command_user=" + userName, `supervise_daemon_args="` + envArgs(env) + `"`}
	case i.Kind == InitS6:
		return append([]string{"s6 runs this machine;"}, script("/etc/services.d/"+name+"/run", "s6-setuidgid "+userName)...)
	case i.Kind == InitRunit:
		return append(append([]string{"runit runs this machine;"}, script("/etc/sv/"+name+"/run", "chpst -u "+userName)...),
			"then: ln -s /etc/sv/"+name+" /var/service/")
	case i.Container == "docker" || i.Container == "podman" || i.Container == "libpod":
		engine := "docker"
		if i.Container != "docker" {
			engine = "podman"
		}
		return []string{"in a container make the supervisor the command, below an init that reaps:",
			engine + " run --init --restart unless-stopped " + envArgs(s.Env) + " IMAGE " + command,
			"or in this one, until it ends:", background}
	case i.Container != "":
		return []string{"in a container make the supervisor the command, below an init that reaps (tini, for one):", withEnv,
			"or in this one, until it ends:", background}
	case i.Cron:
		return []string{"cron can start it at every boot of this machine:",
			"(crontab -l 2>/dev/null; echo " + shellQuote("@reboot "+strings.ReplaceAll(withEnv, "%", `\%`)) + ") | crontab -",
			"and until then:", background}
	}
	return []string{"have whatever starts this machine run, as user " + userName + ":", withEnv}
}

func envArgs(env []EnvVar) string {
	var out []string
	for _, e := range env {
		out = append(out, "--env "+shellQuote(e.Name+"="+e.Value))
	}
	return strings.Join(out, " ")
}

// shellQuote makes one word of text for sh.
func shellQuote(text string) string {
	safe := func(r rune) bool {
		return r == '_' || r == '-' || r == '.' || r == '/' || r == ':' || r == '=' || r == ',' || r == '@' || r == '+' ||
			(r >= '0' && r <= '9') || (r >= 'a' && r <= 'z') || (r >= 'A' && r <= 'Z')
	}
	if text != "" && strings.IndexFunc(text, func(r rune) bool { return !safe(r) }) < 0 {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
