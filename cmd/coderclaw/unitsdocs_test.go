package main

import (
	"fmt"
	"strings"

	"github.com/coderclaw/coderclaw/servicegen"
)

func unitsReference() string {
	var b strings.Builder
	b.WriteString("# Service files\n\n" +
		"`coderclaw service render --target KIND` prints any of them, on any system, and changes nothing:\n\n" +
		"| kind | what it is | where its manager reads it |\n|---|---|---|\n")
	for _, t := range servicegen.Targets() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", t, t.Meaning(), t.Place())
	}
	b.WriteString("\nSettings of your own belong into a drop-in (`systemctl --user edit UNIT`, `systemctl edit UNIT`): `doctor --repair` puts back what the file itself " +
		"should say, and keeps drop-ins. No service file holds a secret; none is given one by its environment or its command line.\n\n" +
		"## Sandboxing\n\n" +
		"Services of the machine take from everything that they start what no gateway needs; `systemd-analyze security` gives them at most 2.5 of 10. What an agent's " +
		"tools miss there can be given back by a drop-in. Services of a user take only what no tool of a person's agent needs; with `isolation = \"off\"` they take " +
		"nothing, so that tools may use sudo; services of the machine keep theirs. A change of that key in the registry reaches the unit by `doctor --repair`. Either way each gateway walls itself off further, see isolation.md.\n\n" +
		"`service render --explain` says the same for one unit, and `just units` has systemd-analyze judge every shape.\n\n" +
		"| directive | service of the machine | service of a user |\n|---|---|---|\n")
	value := func(v, why string) string {
		if v == "" {
			return "left out: " + why
		}
		return "`" + v + "`"
	}
	for _, d := range servicegen.Directives() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", d.Name, cell(value(d.System, d.SystemOut)), cell(value(d.User, d.UserOut)))
	}
	b.WriteString("\nWhat systemd-analyze goes on counting against a service of the machine, and why it stays:\n\n| counted | why |\n|---|---|\n")
	for _, p := range servicegen.Partials() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", cell(p.Name), cell(p.Why))
	}
	b.WriteString("\n## Socket units\n\n" +
		"With a socket unit, which `gateway install --socket` installs, the service manager holds the ports, so that `systemctl restart` refuses nobody: who connects meanwhile waits and is served by the next " +
		"supervisor. The supervisor takes those sockets whose address is one of a profile's, closes the others and says so, and binds what is missing by itself. " +
		"It costs this: while the gateway is stopped, blocked or quarantined, clients wait instead of being refused, and to end a service for good the socket is to be stopped " +
		"with it, or the next client starts it again. Where a gateway listens on an address that a socket unit does not have, the port is `blocked` until the " +
		"unit is brought up to date.\n")
	return b.String()
}
