package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
)

// extraService is a service of a gateway of this family that belongs to no profile.
type extraService struct {
	Platform string `json:"platform"`
	Label    string `json:"label"`
	Detail   string `json:"detail"`
	Scope    string `json:"scope"`

	path string // of its file
}

const plistSuffix = ".plist"

// extraServices are the service files beside that of unit that run a gateway of this
// family and belong to no profile of the registry.
func extraServices(f servicegen.Format, unit servicegen.Unit, r *profiles.Registry) []extraService {
	known := map[string]bool{}
	for _, p := range r.List() {
		known[p.UnitName()] = true
		known[servicegen.Unit{Name: p.UnitName()}.Socket().Name] = true
		known[p.LaunchdLabel()+plistSuffix] = true
	}
	out := []extraService{}
	dir := filepath.Dir(unit.Path)
	names, _ := fs.Glob(os.DirFS(dir), "*") // a directory that is not there holds no services
	for _, name := range names {
		if known[name] {
			continue
		}
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if servicegen.OriginOf(f, text).Kind != servicegen.OriginOther {
			out = append(out, extraService{Platform: string(f), Label: strings.TrimSuffix(name, plistSuffix), Detail: "unit: " + path, Scope: string(unit.Scope), path: path})
		}
	}
	return out
}

// cleanup is what a person types to be rid of the service.
func (e extraService) cleanup() string {
	sudo, manager, domain := "", "systemctl --user ", "gui/$(id -u)/"
	if e.Scope == string(servicegen.ScopeSystem) {
		sudo, manager, domain = "sudo ", "sudo systemctl ", "system/"
	}
	rm := sudo + "rm " + shellWord(e.path)
	if e.Platform == string(servicegen.FormatLaunchd) {
		return sudo + "launchctl bootout " + domain + shellWord(e.Label) + "; " + rm
	}
	return manager + "disable --now " + shellWord(e.Label) + " && " + rm
}
