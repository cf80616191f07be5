package servicegen

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func TestObserveTellsStatesApart(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		make func(t *testing.T, path string)
		want FileState
	}{
		"missing":         {func(*testing.T, string) {}, FileMissing},
		"file":            {func(t *testing.T, p string) { write(t, p, "[Unit]\n") }, FileText},
		"empty":           {func(t *testing.T, p string) { write(t, p, "") }, FileEmpty},
		"masked":          {func(t *testing.T, p string) { link(t, os.DevNull, p) }, FileMasked},
		"masked by steps": {func(t *testing.T, p string) { link(t, os.DevNull, p+".null"); link(t, p+".null", p) }, FileMasked},
		"dangling":        {func(t *testing.T, p string) { link(t, "gone.service", p) }, FileDangling},
		"linked":          {func(t *testing.T, p string) { write(t, p+".real", "x"); link(t, p+".real", p) }, FileText},
		"directory": {func(t *testing.T, p string) {
			if err := os.Mkdir(p, 0o755); err != nil {
				t.Fatal(err)
			}
		}, FileDirectory},
		"circle": {func(t *testing.T, p string) { link(t, p, p) }, FileDangling},
		"unreadable": {func(t *testing.T, p string) {
			write(t, p, "")
			if err := os.Truncate(p, maxServiceFile+1); err != nil { // which root does not read either
				t.Fatal(err)
			}
		}, FileUnreadable},
	} {
		path := filepath.Join(t.TempDir(), "x.service")
		tc.make(t, path)
		o := Observe(FormatSystemd, path)
		if o.State != tc.want || (o.Err != nil) != (tc.want == FileUnreadable) || (o.Hash != "") != (tc.want == FileText) {
			t.Errorf("%s: got %+v, want %s", name, o, tc.want)
		}
		view, err := o.View(FormatSystemd, ScopeUser, true)
		if err != nil || view.Values == nil {
			t.Errorf("%s: view %+v, %v", name, view, err)
		}
	}
}

func TestObserveFindsDropInsAndTargets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x.service")
	write(t, path, "[Service]\nTimeoutStopSec=1\n")
	write(t, path+".d/20-b.conf", "[Service]\nTimeoutStopSec=3\n")
	write(t, path+".d/10-a.conf", "[Service]\nTimeoutStopSec=2\n")
	write(t, path+".d/note.txt", "[Service]\nTimeoutStopSec=9\n")
	write(t, filepath.Join(dir, "far", "15-c.conf"), "[Service]\nRestartSec=7\n")
	link(t, path, filepath.Join(dir, "default.target.wants", "x.service"))
	link(t, path, filepath.Join(dir, "other.target.wants", "y.service"))
	o := Observe(FormatSystemd, path)
	if len(o.DropIns) != 2 || filepath.Base(o.DropIns[0].Path) != "10-a.conf" || !slices.Equal(o.Targets, []string{"default.target"}) {
		t.Fatalf("got %+v", o)
	}
	alone, err := o.View(FormatSystemd, ScopeUser, true)
	if err != nil {
		t.Fatal(err)
	}
	all, err := o.View(FormatSystemd, ScopeUser, false, o.DropIns[0].Path, filepath.Join(dir, "far", "15-c.conf"), filepath.Join(dir, "far", "16-gone.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if alone.Values["TimeoutStopSec"] != "1s" || all.Values["TimeoutStopSec"] != "3s" || all.Values["RestartSec"] != "7s" {
		t.Errorf("alone %v, with drop-ins %v", alone.Values, all.Values)
	}
	write(t, path+".d/30-broken.conf", "[Serv")
	var broken *UnitError
	if _, err := Observe(FormatSystemd, path).View(FormatSystemd, ScopeUser, false); !errors.As(err, &broken) {
		t.Errorf("a broken drop-in gave %v", err)
	}
}

func TestUnitDir(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		format Format
		scope  Scope
		env    Lookup
		want   string // "" for an error
	}{
		"home":           {FormatSystemd, ScopeUser, lookup("HOME", "/home/ann"), "/home/ann/.config/systemd/user"},
		"xdg":            {FormatSystemd, ScopeUser, lookup("HOME", "/home/ann", "XDG_CONFIG_HOME", "/cfg"), "/cfg/systemd/user"},
		"relative xdg":   {FormatSystemd, ScopeUser, lookup("HOME", "/home/ann", "XDG_CONFIG_HOME", "cfg"), "/home/ann/.config/systemd/user"},
		"no home":        {FormatSystemd, ScopeUser, lookup(), ""},
		"our home":       {FormatSystemd, ScopeUser, lookup("HOME", "/home/ann", "CODERCLAW_HOME", "/srv"), "/home/ann/.config/systemd/user"},
		"system":         {FormatSystemd, ScopeSystem, lookup(), "/etc/systemd/system"},
		"launchd":        {FormatLaunchd, ScopeUser, lookup("HOME", "/Users/ann", "XDG_CONFIG_HOME", "/cfg"), "/Users/ann/Library/LaunchAgents"},
		"launchd system": {FormatLaunchd, ScopeSystem, lookup(), "/Library/LaunchDaemons"},
	} {
		got, err := UnitDir(tc.format, tc.scope, tc.env)
		if filepath.ToSlash(got) != tc.want || (err != nil) != (tc.want == "") {
			t.Errorf("%s: got %q, %v; want %q", name, got, err, tc.want)
		}
	}
}
