package nodehost

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// toolbox knows the programs that a node can run.
type toolbox struct {
	environ []string // for commands, without what they must not get
	path    string   // where programs are looked for
}

func newToolbox(environ []string) toolbox {
	var t toolbox
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if strings.EqualFold(name, "PATH") {
			t.path = value
		}
		if !own(name) && !steers(name) {
			t.environ = append(t.environ, entry)
		}
	}
	return t
}

// own tells whether a variable is for this program: commands get none, a gateway's
// token least of all.
func own(name string) bool {
	return strings.HasPrefix(strings.ToUpper(name), "CODERCLAW_")
}

// steers tells whether a variable makes a program do something else than it says: by
// it, one that may run could be made to run one that may not.
func steers(name string) bool {
	name = strings.ToUpper(name)
	for _, prefix := range []string{"LD_", "DYLD_", "BASH_FUNC_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"NODE_OPTIONS", "PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP", "PERL5LIB", "PERL5OPT", "RUBYLIB", "RUBYOPT", "BASH_ENV", "ENV", "SHELLOPTS", "BASHOPTS", "PS4",
		"IFS", "GCONV_PATH", "GIT_EXTERNAL_DIFF", "GIT_SSH_COMMAND", "GIT_EXEC_PATH", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_COUNT", "SSLKEYLOGFILE", "SHELL", "PAGER", "EDITOR",
		"JAVA_TOOL_OPTIONS", "GLIBC_TUNABLES"}, name)
}

// aims tells whether a variable that comes with a command could make it another than
// the one that was allowed: it names a program, options, code or a configuration. The
// host's own variables of these names are its owner's will.
func aims(name string) bool {
	name = strings.ToUpper(name)
	for _, prefix := range []string{"GIT_", "NPM_CONFIG_", "CARGO_", "DOTNET_", "COMPLUS_", "CORECLR_", "COR_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{"HOME", "XDG_CONFIG_HOME", "ZDOTDIR", "FPATH", "PROMPT_COMMAND", "MANPAGER", "VISUAL", "BROWSER", "LESSOPEN", "LESSCLOSE", "SYSTEMD_PAGER", "SYSTEMD_EDITOR",
		"SSH_ASKPASS", "SUDO_ASKPASS", "RSYNC_RSH", "CVS_RSH", "TAR_OPTIONS", "MAKEFLAGS", "GNUMAKEFLAGS", "MAKEFILES", "GOFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "HGRCPATH",
		"NODE_PATH", "PYTHONUSERBASE", "PYTHONBREAKPOINT", "PYTHONINSPECT", "PERLLIB", "PERL5DB", "GEM_HOME", "GEM_PATH", "BUNDLE_GEMFILE", "LUA_INIT", "LUA_PATH", "LUA_CPATH", "PHPRC",
		"PHP_INI_SCAN_DIR", "AWKPATH", "AWKLIBPATH", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "CLASSPATH", "MAVEN_OPTS", "GRADLE_OPTS", "OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES",
		"GTK_MODULES", "QT_PLUGIN_PATH"}, name)
}

// env is the environment of a command: what the host has, and what was asked for
// but for what steers programs and PATH, by which they are found.
func (t toolbox) env(extra map[string]string) []string {
	env := slices.Clone(t.environ)
	for name, v := range extra {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.Contains(v, "\x00") || own(name) || steers(name) || aims(name) || strings.EqualFold(name, "PATH") {
			continue
		}
		env = append(env, name+"="+v) // the last of one name counts
	}
	return env
}

// find returns the whole path of a program: by its name along PATH, else from cwd.
func (t toolbox) find(name, cwd string) (string, error) {
	if strings.ContainsRune(name, '/') || strings.ContainsRune(name, filepath.Separator) {
		if !filepath.IsAbs(name) {
			if cwd == "" {
				var err error
				if cwd, err = os.Getwd(); err != nil {
					return "", err
				}
			}
			name = filepath.Join(cwd, name)
		}
		if name = filepath.Clean(name); !filepath.IsAbs(name) {
			return "", fmt.Errorf("cwd %q is not a whole path", cwd)
		}
		if path := runnable(name); path != "" {
			return path, nil
		}
		return "", fmt.Errorf("%s cannot be run: it is not there, or is no program", name)
	}
	for _, dir := range filepath.SplitList(t.path) {
		if !filepath.IsAbs(dir) {
			continue // would depend on where the host was started
		}
		if path := runnable(filepath.Join(dir, name)); path != "" {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not in PATH of the node", name)
}

// runnable returns the path of a program, with the ending that Windows wants; "" if there is none.
func runnable(path string) string {
	endings := []string{""}
	if runtime.GOOS == "windows" {
		endings = []string{"", ".exe", ".com", ".bat", ".cmd"}
	}
	for _, ending := range endings {
		info, err := os.Stat(path + ending)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if runtime.GOOS == "windows" || info.Mode().Perm()&0o111 != 0 {
			return path + ending
		}
	}
	return ""
}

// whichParams are the parameters of system.which.
type whichParams struct {
	Bins []string `json:"bins" rule:"required"`
}

// whichResult is the payload of system.which.
type whichResult struct {
	Bins map[string]string `json:"bins"`
}

// which looks for programs by name; a path is no name, so nobody learns what files there are.
func (t toolbox) which(p whichParams) whichResult {
	res := whichResult{Bins: map[string]string{}}
	for _, name := range p.Bins {
		name = strings.TrimSpace(name)
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, `/\:`) {
			continue
		}
		if path, err := t.find(name, ""); err == nil {
			res.Bins[name] = path
		}
	}
	return res
}
