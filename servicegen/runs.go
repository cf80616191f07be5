package servicegen

import "strings"

// Runs says whose profile a service file runs.
type Runs struct {
	Profile  string
	User     string // "" when the file names none: in system scope that is root
	Registry string // path, "" when the file names none
	Home     string // CODERCLAW_HOME, "" when the file names none
	Program  string
}

// RunBy reads the service file at path with its drop-ins. It reports false for a
// file that is not there, cannot be read, or does not run a supervisor of ours.
func RunBy(f Format, scope Scope, path string) (Runs, bool) {
	disk := Observe(f, path)
	if disk.State != FileText {
		return Runs{}, false
	}
	if kind := OriginOf(f, disk.Raw).Kind; kind != OriginOurs && kind != OriginEdited {
		return Runs{}, false
	}
	view, err := disk.View(f, scope, false)
	if err != nil {
		return Runs{}, false
	}
	return view.Runs(), true
}

// Runs tells whose profile a service of this view runs.
func (v View) Runs() Runs {
	env, user, plain := "Environment", "User", strings.NewReplacer("%%", "%")
	if v.Format == FormatLaunchd {
		env, user, plain = plistEnv, "UserName", strings.NewReplacer()
	}
	r := Runs{User: v.Values[user], Registry: plain.Replace(v.Values[env+"[CODERCLAW_REGISTRY]"]), Home: plain.Replace(v.Values[env+"[CODERCLAW_HOME]"])}
	argv := v.Command()
	if len(argv) == 0 {
		return r
	}
	r.Program = argv[0]
	for i, a := range argv {
		switch {
		case a == "--profile" && i+1 < len(argv):
			r.Profile = argv[i+1]
		case strings.HasPrefix(a, "--profile="):
			r.Profile = strings.TrimPrefix(a, "--profile=")
		}
	}
	return r
}

// Command is what a service of this view starts, nil when that cannot be read.
func (v View) Command() []string {
	exec := "ExecStart"
	if v.Format == FormatLaunchd {
		exec = "ProgramArguments"
	}
	argv, err := Words(v.Values[exec])
	if err != nil {
		return nil
	}
	if v.Format == FormatSystemd {
		for i, a := range argv {
			argv[i] = strings.NewReplacer("%%", "%", "$$", "$").Replace(a)
		}
	}
	return argv
}
