package doctor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
)

// FileFact is one file or directory that should be private.
type FileFact struct {
	Path string
	Code Code // of the finding when it is not; "": only its owner and kind count
	Mode fs.FileMode
	UID  int    // -1 when unknown
	Odd  string // what stands there instead of a file, "" for a file or directory
}

// ProgramFact is the file that the service starts.
type ProgramFact struct {
	Path    string // "" when the service names none
	Trouble string // why it cannot be started, "" when it can
}

// PlaceFact is a directory that has to be writable.
type PlaceFact struct {
	Path    string
	Trouble string // "" when it is as it should be
	Missing bool
}

// TimeFact is a file and when it was last written.
type TimeFact struct {
	Path string
	Time time.Time
}

// odd tells whether something else than a file stands at path.
func odd(files []FileFact, path string) bool {
	for _, f := range files {
		if f.Path == path {
			return f.Odd != ""
		}
	}
	return false
}

// perDir bounds how many files of a directory are looked at.
const perDir = 1000

// observeFiles looks at what coderclaw keeps of a profile, without opening any of it.
func observeFiles(t Target) []FileFact {
	p := t.Profile
	var out []FileFact
	look := func(path string, c Code) {
		if f, ok := fileFact(path, c); ok {
			out = append(out, f)
		}
	}
	look(p.EnvFile(), EnvFileMode)
	look(p.ConfigPath, "")
	look(p.LastGoodFile(), SecretMode)
	for _, path := range []string{p.DesiredFile(), p.SupervisorLock(), p.GatewayLock(), p.Ledger()} {
		look(path, "")
	}
	for _, dir := range []struct {
		path string
		code Code
	}{
		{p.LogDir(), LogMode}, {p.CrashDir(), LogMode},
		{filepath.Join(p.StateDir, "identity"), SecretMode}, {filepath.Join(p.StateDir, "devices"), SecretMode},
		{filepath.Join(p.StateDir, "credentials"), SecretMode}, {filepath.Join(p.StateDir, "backups"), SecretMode},
	} {
		info, err := os.Stat(dir.path)
		if err != nil || !info.IsDir() {
			continue
		}
		out = append(out, FileFact{Path: dir.path, Code: dir.code, Mode: info.Mode(), UID: ownerOf(info)})
		if dir.code == LogMode {
			continue // a private directory is enough for what is written all the time
		}
		entries, err := os.ReadDir(dir.path)
		if err != nil {
			continue
		}
		for _, entry := range entries[:min(len(entries), perDir)] {
			if entry.Type().IsRegular() {
				look(filepath.Join(dir.path, entry.Name()), dir.code)
			}
		}
	}
	if t.Profiles != nil {
		look(t.Profiles.Path(), RegistryMode)
	}
	return out
}

// fileFact looks at path, and at what a link there leads to.
func fileFact(path string, c Code) (FileFact, bool) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err == nil {
			return FileFact{Path: path, UID: -1, Odd: "a link to nothing"}, true
		}
		return FileFact{}, false
	}
	if err != nil {
		return FileFact{Path: path, UID: -1, Odd: "something that cannot be looked at: " + cause(err)}, !errors.Is(err, fs.ErrPermission)
	}
	f := FileFact{Path: path, Code: c, Mode: info.Mode(), UID: ownerOf(info)}
	if !info.Mode().IsRegular() {
		f.Odd = kindOf(info.Mode())
	}
	return f, true
}

// cause is an error without the path, which stands beside it.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// observePlace looks at a directory that the profile writes in.
func observePlace(path string) PlaceFact {
	w := PlaceFact{Path: path}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.Trouble, w.Missing = "missing", true
	case err != nil:
		w.Trouble = cause(err)
	case !info.IsDir():
		w.Trouble = kindOf(info.Mode())
	default:
		if err := writable(path); err != nil {
			w.Trouble = cause(err)
		}
	}
	return w
}

// observeNewest finds the file with the latest time among those that every run writes.
func observeNewest(p profiles.Profile) TimeFact {
	var newest TimeFact
	paths := []string{p.ConfigPath, p.EnvFile(), p.DesiredFile(), p.SupervisorLock(), p.GatewayLock(), p.Ledger(), p.LastGoodFile()}
	if entries, err := os.ReadDir(p.LogDir()); err == nil {
		for _, e := range entries[max(0, len(entries)-3):] { // by name, so by day
			paths = append(paths, filepath.Join(p.LogDir(), e.Name()))
		}
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.ModTime().After(newest.Time) {
			newest = TimeFact{path, info.ModTime()}
		}
	}
	return newest
}

// observeUnit looks at what belongs to the service file: drop-ins, another file in
// its stead, and the program that it starts.
func observeUnit(t Target, o *Observation) {
	if o.Disk.State == servicegen.FileText {
		o.DropIns = o.Disk.AllDropIns(o.State.DropIns...)
	}
	if from := o.State.FragmentPath; o.StateErr == nil && o.State.LoadState == servicegen.LoadLoaded && from != "" && t.Unit.Path != "" && !profiles.SamePlace(from, t.Unit.Path) {
		if _, err := os.Stat(from); err == nil { // else it is what is loaded of a file that is gone
			o.LoadedFrom = from
		}
	}
	e := examiner{t: t, o: *o}
	if view, err := e.effective(); err == nil && o.Disk.State == servicegen.FileText {
		o.Program = programFact(firstOf(view.Values["ExecStart"], view.Values["ProgramArguments"]))
	}
}

// programFact looks at the program of a command line as a view holds it.
func programFact(command string) ProgramFact {
	words, err := servicegen.Words(command)
	if err != nil || len(words) == 0 {
		return ProgramFact{}
	}
	path := strings.NewReplacer("%%", "%", "$$", "$").Replace(strings.TrimLeft(words[0], "@-:+!"))
	f := ProgramFact{Path: path}
	if !filepath.IsAbs(path) {
		return ProgramFact{} // systemd looks it up by itself
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		f.Trouble = "missing"
	case err != nil:
		f.Trouble = cause(err)
	case !info.Mode().IsRegular():
		f.Trouble = kindOf(info.Mode())
	case !executable(path, info):
		f.Trouble = "not executable"
	}
	return f
}

// observeOpen looks at what others can read, as an edit needs it.
func observeOpen(o *Observation) {
	for _, f := range o.Files {
		if f.Odd == "" && f.Code != "" && f.open() != 0 {
			o.see(f.Path)
		}
	}
}

// open are the permissions of others that the file should not have.
func (f FileFact) open() fs.FileMode {
	if f.Code == RegistryMode {
		return f.Mode.Perm() & 0o022
	}
	return f.Mode.Perm() & 0o077
}
