package doctor

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/json5"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// config looks at the profile's config and at the dirs that it works in.
func (e *examiner) config() {
	p, o := e.t.Profile, e.o
	if o.StateDir != nil && o.StateDirUID >= 0 && o.StateDirUID != e.o.Owner {
		e.add(StateDirOwner, ViewConfig, Finding{Path: p.StateDir, Have: proctable.UserName(o.StateDirUID), Want: proctable.UserName(o.Owner),
			Fix: fmt.Sprintf("run coderclaw as that user, or: sudo chown -R %d %s", o.Owner, quote(p.StateDir))})
	} else if o.StateDir != nil && o.StateDir.IsDir() && (!private(o.StateDir.Mode()) || o.StateDir.Mode().Perm()&0o700 != 0o700) {
		e.add(StateDirMode, ViewConfig, Finding{Path: p.StateDir, Have: mode(o.StateDir.Mode()), Want: "0700"})
	}
	if o.ConfigFile == nil {
		if o.StateDir != nil || e.expected() {
			e.add(ConfigMissing, ViewConfig, Finding{Path: p.ConfigPath, Fix: "run: " + e.command("setup")})
		}
		return
	}
	if o.ConfigFile.Mode().IsRegular() && !private(o.ConfigFile.Mode()) {
		e.add(ConfigMode, ViewConfig, Finding{Path: p.ConfigPath, Have: mode(o.ConfigFile.Mode()), Want: "0600"})
	}
	switch {
	case o.ConfigErr != nil:
		e.add(ConfigInvalid, ViewConfig, Finding{Path: p.ConfigPath, Message: o.ConfigErr.Error()})
	case !o.Config.Valid():
		for _, problem := range o.Config.Problems {
			e.add(ConfigInvalid, ViewConfig, Finding{Path: p.ConfigPath, Key: problem.Path, Message: problem.String(), Fix: problem.Fix})
		}
	case o.CheckErr != nil || len(o.Check.Problems) > 0:
		e.incomplete()
	}
	if o.Config == nil {
		return
	}
	for _, w := range o.Config.Warnings {
		e.add(ConfigWarning, ViewConfig, Finding{Path: p.ConfigPath, Key: w.Path, Message: w.String()})
	}
	e.nodeConfig()
	e.exposure()
	e.workspace()
}

// incomplete is for a valid config with which a gateway refuses to start.
func (e *examiner) incomplete() {
	f := Finding{Path: e.t.Profile.ConfigPath, Fix: "run: " + e.command("setup")}
	if e.o.CheckErr != nil {
		f.Message = strings.ReplaceAll(e.o.CheckErr.Error(), "\n", " ")
	} else {
		f.Message = e.o.Check.Problems[0].String()
	}
	cfg := e.o.Config.Config.Gateway
	mending := Rewrite
	if !(cfg.Mode == "" || cfg.Mode == "local" && cfg.Auth.Token == "" && cfg.Auth.Password == "") {
		mending, f.Fix = ByHand, "mend the named setting"
		if cfg.Mode == "remote" {
			f.Fix = "nothing, if this machine is to use a gateway elsewhere; else set gateway.mode to \"local\""
		}
	}
	e.mended(ConfigIncomplete, mending, ViewConfig, f)
}

// nodeConfig tells a config that the Node product has written by the stamps that
// only it leaves.
func (e *examiner) nodeConfig() {
	tree := e.o.Config.Tree
	if tree == nil {
		return
	}
	for _, key := range []string{"wizard", "meta"} {
		v := tree.Get(key)
		if v == nil || v.Kind != json5.Object || key == "meta" && v.Get("lastTouchedVersion") == nil {
			continue
		}
		e.add(ConfigNode, ViewConfig, Finding{Path: e.t.Profile.ConfigPath, Key: key})
		return
	}
}

// exposure tells how far the gateway can be reached, and by whom.
func (e *examiner) exposure() {
	cfg, path := e.o.Config.Config.Gateway, e.t.Profile.ConfigPath
	if cfg.Mode == "remote" {
		return
	}
	for _, a := range e.o.Check.Addrs {
		if a.Addr().IsLoopback() {
			continue
		}
		e.add(BindOpen, ViewConfig, Finding{Path: path, Key: "gateway.bind", Have: a.String(), Want: config.BindLoopback})
		break
	}
	for _, off := range []struct {
		key string
		on  bool
	}{
		{"gateway.controlUi.allowInsecureAuth", cfg.ControlUI.AllowInsecureAuth},
		{"gateway.controlUi.dangerouslyDisableDeviceAuth", cfg.ControlUI.DangerouslyDisableDeviceAuth},
	} {
		if off.on {
			e.add(AuthWeakened, ViewConfig, Finding{Path: path, Key: off.key, Have: "true", Want: "false", Fix: "remove " + off.key + " from the config"})
		}
	}
	if e.o.Check.AuthMode == config.AuthNone {
		e.add(AuthWeakened, ViewConfig, Finding{Path: path, Key: "gateway.auth.mode", Have: config.AuthNone, Want: config.AuthToken,
			Fix: "remove gateway.auth.mode from the config, then run: " + e.command("setup")})
	}
}

// workspace looks at the place where the agent works.
func (e *examiner) workspace() {
	w := e.o.Workspace
	if w.Path == "" || w.Trouble == "" || !e.o.Config.Valid() {
		return
	}
	fix := "run: mkdir -p " + quote(w.Path)
	if !w.Missing {
		fix = "make " + quote(w.Path) + " a directory that can be written, or name another in agents.defaults.workspace"
	}
	e.add(WorkspaceMissing, ViewConfig, Finding{Path: w.Path, Have: w.Trouble, Want: "a directory that can be written", Fix: fix})
}

func private(m os.FileMode) bool { return runtime.GOOS == "windows" || m.Perm()&0o077 == 0 }

func mode(m os.FileMode) string { return fmt.Sprintf("%04o", m.Perm()) }
