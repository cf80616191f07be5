package doctor

import (
	"fmt"
)

// secrets looks for the gateway's credential in places where it should not be.
func (e *examiner) secrets() {
	s := e.o.Secrets
	env := e.t.Profile.EnvFile()
	for _, name := range s.Twice {
		e.add(EnvFileTwice, ViewConfig, Finding{Path: env, Key: name, Have: "several lines", Want: "one line", Fix: "remove all but one line of " + name + " from " + env})
	}
	for _, u := range s.Unread {
		e.add(EnvFileToken, ViewConfig, Finding{Path: env, Key: u.Name, Have: u.Have, Want: u.Want, Fix: "remove " + u.Name + " from " + env})
	}
	for _, u := range s.Shell {
		e.add(TokenEnvironment, ViewConfig, Finding{Key: u.Name, Have: u.Have, Want: u.Want, Fix: "run: unset " + u.Name})
	}
	for _, p := range s.Processes {
		f := Finding{Key: p.Name, Have: fmt.Sprintf("pid %d", p.PID), Want: "no secret in its environment"}
		f.Fix = "run: " + e.systemctl("unset-environment "+p.Name) + " && " + e.systemctl("restart "+e.t.Unit.Name)
		if !e.o.State.Running() {
			f.Fix = "unset " + p.Name + " where the process was started, and start it again"
		}
		e.add(TokenProcess, ViewRunning, f)
	}
	for _, d := range s.Devices {
		e.add(DeviceTokenStale, ViewConfig, Finding{Path: d.Path, Key: d.Name, Have: d.Have, Want: d.Want, Fix: "run: rm " + quote(d.Path)})
	}
	if s.DevicesErr != "" {
		e.add(DevicesDamaged, ViewConfig, Finding{Path: s.DevicesPath, Message: s.DevicesErr, Fix: "mend the file, or run: mv " + quote(s.DevicesPath) + " " + quote(s.DevicesPath+".away")})
	}
}
