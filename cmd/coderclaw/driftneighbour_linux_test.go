package main

import (
	"os"
	"path/filepath"

	"github.com/coderclaw/coderclaw/doctor"
)

// beside is another unit beside the victim's.
func beside(name, text string) (do, away func(*machine)) {
	return loaded(func(m *machine) { m.Helper(); m.write(filepath.Join(m.units, name), text) }),
		func(m *machine) {
			m.Helper()
			m.systemctl("disable", name)
			m.try(os.Remove(filepath.Join(m.units, name)))
			m.systemctl("daemon-reload")
		}
}

// neighbourDrifts are other units that want to be the victim's gateway, or that a
// person should know of.
func neighbourDrifts() []drift {
	const run, wanted = "[Service]\nExecStart=/home/claw/.local/bin/coderclaw supervisor run --profile ", "[Install]\nWantedBy=default.target\n"
	one := func(name string, code doctor.Code, unit, text string) drift {
		do, away := beside(unit, text)
		d := drift{name: name, code: code, do: do, hand: away}
		if severity(code) == doctor.Info {
			d.hand, d.then = nil, away
		}
		return d
	}
	d := one("a service on the same port", doctor.ServicePort, "other.service", "[Service]\nExecStart=/usr/bin/node /srv/openclaw/dist/index.js gateway --port 18789\n"+wanted)
	write := d.do
	d.do = func(m *machine) { m.Helper(); write(m); m.systemctl("enable", "other.service") }
	return []drift{
		one("a second service of the profile", doctor.ServiceTwice, "mine.service", run+victim+"\n"+wanted),
		one("a service of all profiles besides", doctor.ServiceTwice, "all.service", "[Service]\nExecStart=/home/claw/.local/bin/coderclaw supervisor run --all\n"+wanted),
		one("a service of a profile that is gone", doctor.ServiceOrphan, "coderclaw-gateway-gone.service", run+"gone\n"+wanted),
		one("a service of another registry", doctor.ServiceOtherSetup, "theirs.service", run+victim+"\nEnvironment=CODERCLAW_REGISTRY=/home/claw/other.toml\n"+wanted),
		one("the gateway of another product", doctor.ServiceOther, "openclaw-gateway.service", "[Service]\nExecStart=/usr/bin/node /srv/openclaw/dist/index.js gateway --port 4711\n"+wanted),
		d,
	}
}
