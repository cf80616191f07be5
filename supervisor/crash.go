package supervisor

import (
	"bytes"
	"maps"
	"strings"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/logfile"
	"github.com/coderclaw/coderclaw/supervisor/crashes"
)

// dumpMark is how the Go runtime begins the dump of its goroutines after SIGQUIT.
const dumpMark = "SIGQUIT: quit"

// keepCrash puts what is known of a death into the profile's black box. It is
// called when everything that the child printed is in its log.
func (s *Supervisor) keepCrash(u *unit, d instance.Death) {
	p := u.profile
	u.mu.Lock()
	deaths := maps.Clone(u.deaths)
	if deaths == nil {
		deaths = map[string]int{}
	}
	deaths[d.Exit.Class]++
	u.deaths = deaths
	u.mu.Unlock()
	config, program, _ := strings.Cut(d.Hash, "+")
	r := crashes.Record{
		Profile: p.Name, At: d.Exit.At, Class: d.Exit.Class, Code: d.Exit.Code, Signal: d.Exit.Signal, Phase: string(d.Phase), PID: d.PID,
		Ran: d.Ran, Reason: d.Reason, ConfigHash: config, BinaryHash: program,
	}
	want := int64(crashes.MaxTail)
	if d.Dumped {
		want += crashes.MaxDump
	}
	tail, err := logfile.Tail(p.LogDir(), want)
	if err != nil {
		s.o.Log.Warn("the output of a crash cannot be kept", "profile", p.Name, "err", err)
	}
	if d.Dumped {
		r.DumpMissing = "it did not print its goroutines within the time that it was given"
		if at := bytes.LastIndex(tail, []byte(dumpMark)); at >= 0 {
			r.Dump, r.DumpMissing = string(tail[at:]), ""
			tail = tail[:at]
		}
	}
	r.Tail = string(tail)
	if _, err := u.crashes.Add(r); err != nil {
		s.o.Log.Warn("a crash cannot be kept", "profile", p.Name, "err", err)
	}
}
