package main

import (
	"fmt"
	"strings"

	"github.com/coderclaw/coderclaw/supervisor"
)

// metricsReference is docs/metrics.md.
func metricsReference() string {
	var b strings.Builder
	b.WriteString(`# Metrics

A supervisor shows, in the text format of Prometheus, how its gateways do. Always on its control socket, to those who may also ask
for its status (its own user, and root):

    coderclaw supervisor metrics            # of the one supervisor that runs
    coderclaw supervisor metrics dev        # only what is about profile dev
    curl --unix-socket ~/.coderclaw/supervisor.sock http://supervisor/metrics

And on a port of 127.0.0.1, when the registry names one that lies in no profile's block:

    [supervisor]
    metrics_port = 9464

- It is read when a supervisor starts. Every user and every program of the machine may then look, tools that an agent starts included; what they
  see is in the table below, and holds no secret, path or text of a gateway.
- It answers GET and HEAD for ` + "`/metrics`" + ` (and ` + "`/metrics?profile=NAME`" + `), nothing else, and only to clients that call it 127.0.0.1 or
  localhost: a web page whose own name was made to lead here is refused. At most 16 connections are open at once.
- A port that somebody else holds is a warning in the supervisor's log and is tried again every 5 s. It keeps no gateway from running.
- Of several supervisors on one registry, as a unit per profile makes them, one gets the port and shows only its own profiles; when it ends
  another takes over. To see all, let one supervisor run all (` + "`coderclaw supervisor run --all`" + `), or collect what
  ` + "`coderclaw supervisor metrics PROFILE`" + ` prints, for example as files for the textfile collector of node_exporter.

Counters and histograms begin at 0 when the supervisor starts. The label ` + "`profile`" + ` has the names of the profiles that this supervisor runs,
` + "`state`" + ` the [states](states.md) and ` + "`class`" + ` the classes of exits (clean, config, port, auth, crash, oom, killed). Every series is there
from the start, at 0 if nothing has happened; no label has a value that grows with time. Memory that cannot be told is left out.

| metric | kind | labels | meaning |
|---|---|---|---|
`)
	for _, m := range supervisor.Metrics() {
		labels := make([]string, len(m.Labels))
		for i, l := range m.Labels {
			labels[i] = "`" + l + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", m.Name, m.Kind, strings.Join(labels, ", "), cell(m.Help))
	}
	b.WriteString(`
Alerts that are worth a start:

    coderclaw_instance_quarantined == 1
    coderclaw_instance_degraded == 1
    max_over_time(coderclaw_instance_state{state="ready"}[5m]) == 0 unless on (profile) coderclaw_instance_state{state="stopped"} == 1
    sum by (profile) (increase(coderclaw_instance_restarts_total{class!="clean"}[1h])) > 3
`)
	return b.String()
}
