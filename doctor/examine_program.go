package doctor

import (
	"path"
	"strings"
)

// program looks at the file that the service starts.
func (e *examiner) program() {
	p := e.o.Program
	if p.Path == "" {
		return
	}
	if p.Trouble != "" {
		if !e.has(BinaryMissing, UnitExecDrift, UnitWrongProfile, DropInBreaks) {
			e.add(BinaryMissing, ViewDisk, Finding{Path: p.Path, Key: "ExecStart", Have: p.Trouble, Want: "a program"})
		}
		return
	}
	kind, where := placeOf(p.Path, e.o.Home)
	if kind == "" {
		return
	}
	stable := "~/.local/bin/coderclaw"
	get := "mkdir -p ~/.local/bin && cp " + quote(p.Path) + " " + stable
	if prefix, _, ok := strings.Cut(p.Path, "/Cellar/"); ok { // Homebrew keeps a link that updates follow
		stable, get = quote(prefix+"/bin/coderclaw"), ""
	}
	install := stable + " " + e.t.Profile.Flag() + "gateway install"
	if get != "" {
		install = get + " && " + install
	}
	e.add(kind, ViewDisk, Finding{Path: p.Path, Key: "ExecStart", Have: where, Want: "a lasting place", Fix: "run: " + install})
}

// placeOf tells whether a program lies where it will not stay, and where that is.
// Only the path counts by which the service starts it: a link that updates follow
// may well lead to such a place.
func placeOf(file, home string) (Code, string) {
	file = path.Clean(strings.ReplaceAll(file, `\`, "/"))
	home = strings.TrimSuffix(strings.ReplaceAll(home, `\`, "/"), "/")
	for _, dir := range []string{"/tmp/", "/var/tmp/", "/private/tmp/", "/private/var/tmp/", "/dev/shm/", "/run/", "/var/run/", "/var/folders/", "/private/var/folders/"} {
		if strings.HasPrefix(file, dir) && !strings.HasPrefix(home, dir) { // else all of it is temporary
			return BinaryTemporary, strings.TrimSuffix(dir, "/")
		}
	}
	if home != "" {
		for _, dir := range []string{"/Downloads/", "/.cache/", "/Library/Caches/", "/.Trash/", "/.local/share/Trash/", "/AppData/Local/Temp/"} {
			if strings.HasPrefix(file, home+dir) {
				return BinaryTemporary, home + strings.TrimSuffix(dir, "/")
			}
		}
	}
	if i := strings.Index(file, "/go-build"); i >= 0 {
		return BinaryTemporary, file[:i+len("/go-build")]
	}
	for _, mark := range []struct{ dir, owner string }{
		{"/.nvm/", "nvm"}, {"/.fnm/", "fnm"}, {"/fnm_multishells/", "fnm"}, {"/share/fnm/", "fnm"}, {"/.volta/", "Volta"}, {"/.asdf/", "asdf"},
		{"/mise/installs/", "mise"}, {"/.rtx/", "rtx"}, {"/.pnpm/", "pnpm"}, {"/.pnpm-store/", "pnpm"}, {"/share/pnpm/", "pnpm"}, {"/Library/pnpm/", "pnpm"},
		{"/.n/", "n"}, {"/.nodenv/", "nodenv"}, {"/.goenv/", "goenv"}, {"/node_modules/", "npm"}, {"/Cellar/", "Homebrew"},
	} {
		if i := strings.Index(file, mark.dir); i >= 0 {
			return BinaryVersioned, mark.owner + ": " + strings.TrimSuffix(file[:i+len(mark.dir)], "/")
		}
	}
	return "", ""
}
