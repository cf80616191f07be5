package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/coderclaw/coderclaw/gateway/discovery"
	"github.com/coderclaw/coderclaw/instance"
)

// What of a log goes into the report: lines from so much of its end.
const (
	troubleBytes = 64 << 10
	troubleLines = 10
)

// troubles are the last warnings and errors of a log, at most n.
func troubles(log []byte, n int) []string {
	out := []string{}
	for line := range strings.Lines(string(log)) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) != nil {
			continue // the beginning of one, or not ours
		}
		level, _ := fields["level"].(string)
		if level != "WARN" && level != "ERROR" {
			continue
		}
		text := fmt.Sprintf("%v %s %v", fields["time"], level, fields["msg"])
		for _, key := range slices.Sorted(maps.Keys(fields)) {
			if key != "time" && key != "level" && key != "msg" {
				text += fmt.Sprintf(" %s=%v", key, fields[key])
			}
		}
		out = append(out, discovery.Printable(oneLine(text)))
	}
	return out[max(0, len(out)-n):]
}

// printAll prints the report for people.
func (a *app) printAll(r allReport) {
	say := func(format string, args ...any) { fmt.Fprintf(a.stdout, format+"\n", args...) }
	say("CoderClaw status --all\n\nOverview")
	tw := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintf(tw, "Version\t%s\nOS\t%s/%s\nRegistry\t%s\n", r.Version, r.OS.Platform, r.OS.Arch, r.Registry)
	_ = tw.Flush() // into memory, as all of the report
	say("\nProfiles")
	fmt.Fprintln(tw, "PROFILE\tREGISTERED\tLOADED\tALIVE\tOWNS PORT\tREADY\tAUTHENTICATED\tPORT")
	for _, p := range r.Profiles {
		if p.State == nil {
			fmt.Fprintf(tw, "%s\t%s\n", p.Name, strings.TrimSuffix(strings.Repeat(unknown+"\t", 7), "\t"))
			continue
		}
		own := p.State.Coderclaw
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", p.Name, own.Registered, own.Loaded, own.Alive, own.OwnsPort, own.Ready, own.Authenticated, p.State.Gateway.Port)
	}
	_ = tw.Flush()
	say("\nDiagnosis (read-only)")
	for _, p := range r.Profiles {
		say("\n%s", p.Name)
		for _, c := range diagnose(p) {
			say("  %s %s: %s", c.mark, c.name, c.text)
		}
		for i, line := range p.Log {
			if i == 0 {
				say("  last warnings and errors of its log:")
			}
			say("    %s", line)
		}
	}
	say("\nSecrets are blotted out, so this can be pasted. Look through it all the same.")
}

// check is one line of the diagnosis.
type check struct{ mark, name, text string }

// The marks of a check.
const (
	fine    = "✓"
	warning = "!"
	failing = "✗"
	asIs    = "·" // neither good nor bad
)

// diagnose says of a profile what is as it should be and what is not. Each line has
// its own evidence; none follows from another.
func diagnose(p profileReport) []check {
	if p.Error != "" {
		return []check{{failing, "Profile", oneLine(p.Error)}}
	}
	st, own := p.State, p.State.Coderclaw
	if !p.SetUp && own.Registered != yes && own.Alive != yes {
		out := []check{{asIs, "Config", "not set up"}}
		if st.Port.Status != "free" {
			out = append(out, portCheck(st))
		}
		return out
	}
	var out []check
	add := func(mark, name, format string, args ...any) {
		out = append(out, check{mark, name, oneLine(fmt.Sprintf(format, args...))})
	}
	switch cfg := st.Config.CLI; {
	case !cfg.Exists:
		add(failing, "Config", "%s is missing", cfg.Path)
	case !cfg.Valid:
		add(failing, "Config", "%s is invalid", cfg.Path)
		for _, i := range cfg.Issues {
			add(failing, "Config", "%s: %s", i.Path, i.Message)
		}
	default:
		add(fine, "Config", "%s", cfg.Path)
	}
	switch own.Registered {
	case yes:
		add(map[string]string{yes: fine, no: warning, unknown: warning}[own.Loaded], "Service", "%s, loaded %s, %s", st.Service.Label, own.Loaded, st.Service.Runtime.line())
	case no:
		add(asIs, "Service", "not installed")
	default:
		add(warning, "Service", "unknown: %s", st.Service.Runtime.Detail)
	}
	for _, i := range st.Service.ConfigAudit.Issues {
		add(warning, "Service", "%s %s", i.Message, i.Detail)
	}
	if i := own.Instance; i != nil {
		mark := warning
		switch i.State {
		case instance.Ready:
			mark = fine
		case instance.Stopped:
			mark = asIs
		case instance.Quarantined, instance.Blocked:
			mark = failing
		}
		add(mark, "Instance", "%s%s, %d restarts, last exit %s", i.State, details(*i), i.Restarts, lastExitText(*i))
	} else if own.Alive == yes {
		add(asIs, "Instance", "runs by hand, without a supervisor, %s", st.Service.Runtime.line())
	}
	out = append(out, portCheck(st))
	switch rpc := st.RPC; {
	case rpc == nil:
	case rpc.OK:
		add(fine, "RPC", "%s answers", rpc.URL)
	default:
		mark := failing
		if own.Alive == no {
			mark = asIs // nobody is there who could answer
		}
		first, _, _ := strings.Cut(rpc.Error, "\n")
		add(mark, "RPC", "%s", first)
	}
	if st.LastError != "" {
		add(warning, "Last error", "%s", st.LastError)
	}
	return out
}

func portCheck(st *gatewayStatus) check {
	switch {
	case st.Coderclaw.OwnsPort == yes:
		return check{fine, "Port", fmt.Sprintf("%d is held by the gateway", st.Port.Port)}
	case st.Port.Status == "free":
		return check{asIs, "Port", fmt.Sprintf("%d is free", st.Port.Port)}
	}
	return check{warning, "Port", oneLine(fmt.Sprintf("%d is %s: %s", st.Port.Port, st.Port.Status, strings.Join(st.Port.Hints, "; ")))}
}
