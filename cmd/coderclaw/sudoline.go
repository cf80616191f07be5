package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/internal/runas"
	"github.com/coderclaw/coderclaw/profiles"
)

// needsRoot refuses what only root may do, with the line that does it.
func (a *app) needsRoot(why string) error {
	return exitcode.With(exitcode.Failed, fmt.Errorf("%s; run: %s", why, a.sudoLine(a.args[1:]...)))
}

// sudoLine is a command line that does as root what args ask for. sudo forgets
// where this user has put home and registry, so what differs from the rule is said.
func (a *app) sudoLine(args ...string) string {
	var words []string
	if os.Getuid() != 0 || envValue(a.env, "SUDO_UID") != "" {
		words = append(words, "sudo")
	}
	if vars := a.movedVars(); len(vars) > 0 {
		words = slices.Concat(words, []string{"env"}, vars)
	}
	return shellLine(slices.Concat(words, []string{a.program()}, args))
}

// program is where this program can be started again.
func (a *app) program() string {
	if a.site.program != "" {
		return a.site.program
	}
	exe, err := proctable.Executable(a.argv0, exec.LookPath)
	if err != nil {
		return a.argv0
	}
	return exe
}

// verbWords are the arguments of a gateway verb on a profile.
func verbWords(p profiles.Profile, verb ...string) []string {
	return slices.Concat(strings.Fields(p.Flag()), []string{"gateway"}, verb)
}

// shellLine joins words so that a shell takes them apart again.
func shellLine(words []string) string {
	out := make([]string, 0, len(words))
	for _, w := range words {
		out = append(out, shellWord(w))
	}
	return strings.Join(out, " ")
}

// movedVars are the variables without which root would look for the home and the
// registry of this user where they are not.
func (a *app) movedVars() []string {
	if os.Getuid() == 0 {
		return nil // it looks where the account of the service has them
	}
	me, err := runas.Lookup(context.Background(), strconv.Itoa(os.Getuid()))
	if err != nil {
		return nil
	}
	plain := accountEnv(me, func(string) (string, bool) { return "", false })
	var vars []string
	home, err := profiles.Home(profiles.Lookup(a.env))
	if err != nil {
		return nil
	}
	if rule, err := profiles.Home(profiles.Lookup(plain)); err == nil && rule != home {
		vars = append(vars, "CODERCLAW_HOME="+home)
	}
	there := func(name string) (string, bool) {
		if name == "CODERCLAW_HOME" {
			return home, true
		}
		return plain(name)
	}
	path, err := profiles.RegistryPath(profiles.Lookup(a.env))
	if rule, ruleErr := profiles.RegistryPath(there); err == nil && ruleErr == nil && rule != path {
		vars = append(vars, "CODERCLAW_REGISTRY="+path)
	}
	return vars
}

// shellWord quotes a word for a shell where that is needed.
func shellWord(w string) string {
	plain := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_./=:,@%+", c)
	}
	if w != "" && !strings.ContainsFunc(w, func(c rune) bool { return !plain(c) }) {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}
