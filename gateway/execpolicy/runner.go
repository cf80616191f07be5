package execpolicy

import (
	"path/filepath"
	"slices"
	"strings"
)

// runners are programs that run whatever their arguments say: shells, interpreters,
// and those that start another program.
func runners() []string {
	return []string{
		"sh", "bash", "rbash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "cmd", "powershell", "pwsh", "osascript", "wscript", "cscript", "mshta", "rundll", "wsl",
		"python", "pypy", "node", "nodejs", "deno", "bun", "tsx", "perl", "ruby", "php", "lua", "luajit", "tclsh", "expect", "awk", "gawk", "mawk", "nawk", "java", "rscript", "emacs",
		"busybox", "toybox", "env", "sudo", "doas", "su", "pkexec", "runuser", "nohup", "nice", "ionice", "chrt", "taskset", "timeout", "time", "setsid", "stdbuf", "xargs", "parallel",
		"watch", "script", "flock", "chroot", "unshare", "nsenter", "setpriv", "systemd-run", "strace", "ltrace", "gdb", "ssh", "npx", "bunx", "uvx", "make", "find",
	}
}

// RunsAnything tells whether to allow a program is to allow any command: it runs what
// its arguments say. path is the whole path; a link counts as what it leads to, too.
func RunsAnything(path string) bool {
	if isRunner(path) {
		return true
	}
	real, err := filepath.EvalSymlinks(path)
	return err == nil && isRunner(real)
}

// isRunner goes by the name, without its version: python3.13 is a python.
func isRunner(path string) bool {
	name := strings.ToLower(path[strings.LastIndexAny(path, `/\`)+1:])
	for _, ending := range []string{".exe", ".com", ".bat", ".cmd"} {
		name = strings.TrimSuffix(name, ending)
	}
	return slices.Contains(runners(), strings.TrimRight(name, "0123456789.-"))
}
