package doctor

import (
	"bytes"
	"errors"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/servicegen"
)

// disk holds the service file against what it should be.
func (e *examiner) disk() {
	d, path := e.o.Disk, e.t.Unit.Path
	if path == "" {
		return
	}
	if !e.expected() {
		e.add(NotInstalled, ViewDisk, Finding{Path: path, Fix: "install one with: " + e.service("install")})
		return
	}
	if e.o.LoadedFrom != "" {
		f := Finding{Path: path, Have: e.o.LoadedFrom, Want: path,
			Fix: "run: " + sudo(e.scopeOf(e.o.LoadedFrom)) + "rm " + quote(e.o.LoadedFrom) + " && " + e.systemctl("daemon-reload")}
		if d.State == servicegen.FileMissing { // it stands before nothing: it may well be the service that is wanted
			f.Message = "The service manager loads a file of this name from another directory than the one where it was looked for."
			f.Fix = "if HOME or XDG_CONFIG_HOME is not the service manager's here, set it to what is shown by: " + e.systemctl("show-environment") +
				"; else look at " + quote(e.o.LoadedFrom) + ", and move it away if nobody needs it"
		}
		e.add(UnitShadowed, ViewDisk, f)
	}
	if e.wholeFile() {
		return
	}
	if e.o.Stranger != nil {
		e.add(UnitOtherRegistry, ViewDisk, Finding{Path: path, Message: e.o.Stranger.Error(), Fix: "take it over with: " + e.repair(Forced)})
		return
	}
	switch origin := servicegen.OriginOf(e.t.Host.Format(), d.Raw); origin.Kind {
	case servicegen.OriginNode:
		argv, _ := servicegen.CommandOf(e.t.Host.Format(), d.Raw)
		e.add(UnitNode, ViewDisk, Finding{Path: path, Have: strings.Join(argv, " "), Want: strings.Join(e.t.Spec.Exec, " "),
			Fix: "take it over with: " + e.repair(Forced)})
		return
	case servicegen.OriginOther:
		e.add(UnitForeign, ViewDisk, Finding{Path: path, Have: string(origin.Kind), Fix: "take it over with: " + e.repair(Forced)})
		return
	}
	e.text()
	e.keys()
	e.dropIns()
	e.program()
	e.enabled()
}

// foreign tells whether what stands in the unit's place is somebody else's.
func (e *examiner) foreign() bool { return e.has(UnitForeign, UnitNode, UnitOtherRegistry) }

// wholeFile is for what stands in the unit's place and is no text; it tells
// whether there is such a thing.
func (e *examiner) wholeFile() bool {
	d, path := e.o.Disk, e.t.Unit.Path
	codes := map[servicegen.FileState]Code{
		servicegen.FileMissing: UnitDeleted, servicegen.FileEmpty: UnitEmpty, servicegen.FileMasked: UnitMasked,
		servicegen.FileDangling: UnitDangling, servicegen.FileDirectory: UnitNotFile, servicegen.FileSpecial: UnitNotFile,
		servicegen.FileUnreadable: UnitUnreadable,
	}
	code, ok := codes[d.State]
	if !ok {
		if e.o.StateErr == nil && e.o.State.LoadState == servicegen.LoadMasked {
			e.add(UnitMasked, ViewLoaded, Finding{Path: firstOf(e.o.State.FragmentPath, path), Have: servicegen.LoadMasked, Want: servicegen.LoadLoaded})
		}
		return false
	}
	f := Finding{Path: path, Have: string(d.State), Want: "a unit file"}
	rm := "run: " + sudo(e.t.Unit.Scope)
	install := " && " + e.service("install")
	switch code {
	case UnitDeleted:
		if e.o.LoadedFrom != "" {
			return true // the other file is the trouble
		}
	case UnitDangling:
		f.Have = d.Link
	case UnitNotFile:
		f.Have = kindOf(d.Mode)
		f.Fix = rm + "mv " + quote(path) + " " + quote(path+".away") + install
	case UnitUnreadable:
		f.Message = d.Err.Error()
		f.Fix = rm + "chmod u+r " + quote(path)
		if !errors.Is(d.Err, fs.ErrPermission) { // too large, or it cannot even be looked at
			f.Fix = rm + "mv " + quote(path) + " " + quote(path+".away") + " && " + e.command("gateway install")
		}
	}
	e.add(code, ViewDisk, f)
	return true
}

// kindOf names what is no regular file.
func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m&fs.ModeSymlink != 0:
		return "a link"
	}
	return "a file"
}

// text looks at the file as such: its bytes, its permissions, what it links to.
func (e *examiner) text() {
	d, path := e.o.Disk, e.t.Unit.Path
	var odd []string
	for _, b := range []struct{ bytes, name string }{{"\ufeff", "a byte order mark"}, {"\x00", "zero bytes"}, {"\r\n", "line ends of Windows"}} {
		if bytes.Contains(d.Raw, []byte(b.bytes)) {
			odd = append(odd, b.name)
		}
	}
	if len(odd) > 0 {
		e.add(UnitBytes, ViewDisk, Finding{Path: path, Have: strings.Join(odd, ", "), Want: "plain text", Fix: "nothing, or write it anew with: " + e.service("install --force")})
	}
	if d.Link != "" {
		e.add(UnitLink, ViewDisk, Finding{Path: path, Have: d.Link})
	}
	if runtime.GOOS != "windows" && d.Mode.Perm()&0o022 != 0 {
		e.add(UnitMode, ViewDisk, Finding{Path: path, Have: mode(d.Mode), Want: mode(d.Mode &^ 0o022)})
	}
}

// keys compares the managed settings of the file alone, one by one.
func (e *examiner) keys() {
	path := e.t.Unit.Path
	want, err := e.t.Spec.View()
	if err != nil {
		e.add(UnitUnreadable, ViewDisk, Finding{Path: path, Message: "the service cannot be rendered: " + err.Error(),
			Fix: "give the program, the state dir and the registry paths that a service file can hold"})
		return
	}
	have, err := e.o.Disk.View(e.t.Host.Format(), e.t.Unit.Scope, true)
	if err != nil {
		e.add(UnitUnparsable, ViewDisk, Finding{Path: path, Message: "the unit file cannot be parsed: " + err.Error()})
		return
	}
	origin := servicegen.OriginOf(e.t.Host.Format(), e.o.Disk.Raw)
	outdated := origin.Kind == servicegen.OriginOurs && origin.Version != e.t.Spec.Version
	var old []string
	for _, d := range servicegen.Diff(want, have) {
		f := Finding{Path: path, Key: d.Key, Have: d.Have, Want: d.Want}
		switch {
		case isExec(d.Key):
			code, m := e.execCode(d), Rewrite
			if own, _ := placeOf(e.t.Spec.Exec[0], e.o.Home); code == UnitProgram && own != "" {
				m = ByHand // this program will not stay; the other may
				f.Fix = "run doctor with the program that the service starts: " + quote(e.o.Program.Path) + " " + e.t.Profile.Flag() + "doctor"
			}
			e.mended(code, m, ViewDisk, f)
		case isVariable(d.Key):
			e.variable(Rewrite, f)
		case isStopClock(d.Key) && e.tooShort(d.Have):
			e.add(UnitStopClock, ViewDisk, f)
		case (d.Key == "StartLimitBurst" || d.Key == "StartLimitIntervalSec") && limitless(have):
			e.add(UnitStartLimit, ViewDisk, f)
		case outdated:
			old = append(old, d.Key)
		case d.Have == "":
			e.add(UnitKeyMissing, ViewDisk, f)
		case d.Want == "":
			e.add(UnitKeyExtra, ViewDisk, f)
		default:
			e.add(UnitKeyDrift, ViewDisk, f)
		}
	}
	if len(old) > 0 {
		e.add(UnitOutdated, ViewDisk, Finding{Path: path, Key: strings.Join(old, ", "), Have: firstOf(origin.Version, "unknown"), Want: e.t.Spec.Version})
	}
	e.foreignKeys(path, have.Foreign, true)
}

func isExec(key string) bool      { return key == "ExecStart" || key == "ProgramArguments" }
func isStopClock(key string) bool { return key == "TimeoutStopSec" || key == "ExitTimeOut" }

// isVariable tells whether the key of a view is a variable of the environment.
func isVariable(key string) bool { return strings.HasPrefix(key, "Environment") }

// variableName is NAME of "Environment[NAME]".
func variableName(key string) string {
	_, name, _ := strings.Cut(key, "[")
	return strings.TrimSuffix(name, "]")
}

// portVariable is what the Node product names a port by in its units.
const portVariable = "CODERCLAW_GATEWAY_PORT"

// variable notes a CODERCLAW_ variable of a unit file, or of a drop-in, that
// should not be as it is.
func (e *examiner) variable(m Mending, f Finding) {
	switch name := variableName(f.Key); {
	case isSecretName(name) && f.Want == "":
		e.mended(UnitSecret, m, ViewDisk, f)
	case name == portVariable:
		f.Want = e.port()
		e.mended(UnitPort, m, ViewDisk, f)
	case f.Want == "":
		e.mended(UnitEnvExtra, m, ViewDisk, f)
	default:
		e.mended(UnitEnvDrift, m, ViewDisk, f)
	}
}

// execCode tells the ways apart in which a unit may start something else.
func (e *examiner) execCode(d servicegen.Difference) Code {
	have, err := servicegen.Words(d.Have)
	want, wantErr := servicegen.Words(d.Want)
	if err != nil || wantErr != nil || len(have) == 0 || len(want) == 0 {
		return UnitExecDrift
	}
	if secretFlag().MatchString(d.Have) {
		return UnitSecret
	}
	i := slices.Index(have, "--profile")
	switch {
	case slices.Contains(have, "supervisor") && i >= 0 && i+1 < len(have) && have[i+1] != e.t.Profile.Name:
		return UnitWrongProfile
	case !slices.Equal(have[1:], want[1:]):
		return UnitExecDrift
	case e.o.Program.Trouble != "" && have[0] == escaped(e.o.Program.Path):
		return BinaryMissing
	}
	return UnitProgram
}

// escaped is a path as the view of a unit holds it.
func escaped(path string) string { return strings.NewReplacer("%", "%%", "$", "$$").Replace(path) }

// enabled looks for the link by which a target starts the unit.
func (e *examiner) enabled() {
	d, path := e.o.Disk, e.t.Unit.Path
	target := e.t.Spec.Target()
	linked := target == "" || d.StartedBy(target)
	switch {
	case e.has(UnitMasked):
	case linked && e.o.State.UnitFileState == "bad" && e.deafened(): // by the drop-in, not by the links
	case linked && d.Link != "" && slices.Contains([]string{"alias", "linked", "linked-runtime"}, e.o.State.UnitFileState): // enabling it does not change that
	case e.o.StateErr != nil && !linked:
		e.add(UnitDisabled, ViewDisk, Finding{Path: path, Have: firstOf(strings.Join(d.Targets, " "), "disabled"), Want: target})
	case e.o.StateErr == nil && e.o.State.LoadState == servicegen.LoadLoaded && !(e.o.State.Enabled() && linked):
		have := e.o.State.UnitFileState
		if e.o.State.Enabled() {
			have = firstOf(strings.Join(d.Targets, " "), "no link that enables it")
		}
		e.add(UnitDisabled, ViewDisk, Finding{Path: path, Have: have, Want: target})
	}
}

// loaded holds the manager's copy against the disk.
func (e *examiner) loaded() {
	s := e.o.State
	if e.o.StateErr != nil {
		if e.expected() {
			e.add(ManagerGone, ViewLoaded, Finding{Message: e.o.StateErr.Error()})
		}
		return
	}
	if e.o.Disk.State != servicegen.FileText || s.LoadState == "" || e.t.Unit.Path == "" {
		return
	}
	if e.foreign() || e.has(UnitMasked, UnitShadowed) {
		return // what another program loaded is its own business
	}
	if s.NeedReload || s.LoadState != servicegen.LoadLoaded {
		how := UnitStale.doc().Mending
		if e.deafened() {
			how = ByHand // it stays so, however often the manager reads it
		}
		e.mended(UnitStale, how, ViewLoaded, Finding{Path: e.t.Unit.Path, Have: firstOf(s.LoadState, "an older copy"), Want: "the copy on disk"})
		return
	}
	onDisk, err := e.effective()
	if err != nil {
		return // said in the view "disk"
	}
	for _, d := range servicegen.Diff(onDisk, s.View) {
		e.add(UnitStale, ViewLoaded, Finding{Path: e.t.Unit.Path, Key: d.Key, Have: d.Have, Want: d.Want})
	}
}

// deafened tells whether there is a drop-in that the manager cannot read, on account
// of which it takes the whole unit for one that has changed since it was loaded.
func (e *examiner) deafened() bool {
	return slices.ContainsFunc(e.o.DropIns, func(in servicegen.DropIn) bool { return in.Err != nil })
}

// effective is what the manager makes of the file and its drop-ins, without those
// that it passes over.
func (e *examiner) effective() (servicegen.View, error) {
	var texts [][]byte
	for _, in := range e.o.DropIns {
		if in.Err != nil {
			continue
		}
		if _, err := servicegen.ParseView(e.t.Host.Format(), e.t.Unit.Scope, in.Raw); err == nil {
			texts = append(texts, in.Raw)
		}
	}
	return servicegen.ParseView(e.t.Host.Format(), e.t.Unit.Scope, e.o.Disk.Raw, texts...)
}

// scopeOf guesses from a path who may change it.
func (e *examiner) scopeOf(path string) servicegen.Scope {
	if strings.HasPrefix(filepath.ToSlash(path), "/etc/") || strings.HasPrefix(filepath.ToSlash(path), "/usr/") || strings.HasPrefix(path, "/Library/") {
		return servicegen.ScopeSystem
	}
	return e.t.Unit.Scope
}

// firstOf is the first text that is not empty.
func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
