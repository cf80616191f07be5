package main

import (
	"os"
	"path/filepath"

	"github.com/coderclaw/coderclaw/doctor"
)

// dropIn writes a drop-in of the unit and has the manager read it.
func dropIn(text string) func(*machine) {
	return loaded(func(m *machine) {
		m.Helper()
		m.mkdir(m.unit() + ".d")
		m.write(m.override(), text)
	})
}

func (m *machine) override() string { return filepath.Join(m.unit()+".d", "override.conf") }

// kept looks that a repair left the drop-in, and takes it away.
func kept(m *machine) {
	m.Helper()
	m.try(os.Remove(m.override()))
	m.try(os.Remove(m.unit() + ".d"))
	m.systemctl("daemon-reload")
}

// dropInDrifts are what drop-ins make of the unit.
func dropInDrifts() []drift {
	return []drift{
		{name: "a drop-in that adds", code: doctor.UnitDropIn, do: dropIn("[Service]\nNice=5\n"), then: kept},
		{name: "a drop-in that weakens", code: doctor.DropInOverride, key: "Restart", do: dropIn("[Service]\nRestart=no\n"), hand: byForce},
		{name: "a drop-in that breaks", code: doctor.DropInBreaks, key: "ExecStart", do: dropIn("[Service]\nExecStart=\nExecStart=/usr/bin/sleep 1000\n"), hand: byForce},
		{name: "a drop-in that shortens the stop", code: doctor.UnitStopClock, key: "TimeoutStopSec", do: dropIn("[Service]\nTimeoutStopSec=5\n"), hand: byForce},
		{name: "a drop-in without start limit", code: doctor.UnitStartLimit, do: dropIn("[Unit]\nStartLimitIntervalSec=0\n"), hand: byForce},
		{name: "a drop-in with the token", code: doctor.UnitSecret, do: dropIn("[Service]\nEnvironment=CODERCLAW_GATEWAY_TOKEN=stale\n"), hand: byForce},
		{name: "a drop-in that harms", code: doctor.UnitHazard, key: "RuntimeMaxSec", do: dropIn("[Service]\nRuntimeMaxSec=60\n"), hand: kept},
		{name: "a drop-in that cannot be read", code: doctor.DropInBad, do: func(m *machine) {
			m.Helper()
			dropIn("[Service]\nNice=5\n")(m)
			m.try(os.Chmod(m.override(), 0))
			m.systemctl("daemon-reload")
		}, hand: kept},
	}
}
