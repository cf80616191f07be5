package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// printGatewayStatus prints the status for people; what is wrong goes to stderr.
func (a *app) printGatewayStatus(t target, st gatewayStatus) {
	say := func(format string, args ...any) { fmt.Fprintf(a.stdout, format+"\n", args...) }
	warn := func(format string, args ...any) { fmt.Fprintf(a.stderr, format+"\n", args...) }
	own := st.Coderclaw

	if t.profile.Registered() {
		word := st.Service.NotLoadedText
		if st.Service.Loaded {
			word = st.Service.LoadedText
		}
		say("Service: %s (%s)", st.Service.Label, word)
	} else {
		say("Service: none (this gateway is described by the environment)")
	}
	say("File logs: %s", t.profile.LogDir())
	if c := st.Service.Command; c != nil {
		say("Command: %s", strings.Join(c.ProgramArguments, " "))
		say("Service file: %s", c.SourcePath)
		if own.User != "" {
			say("Runs as: %s, as a service of the machine", own.User)
		}
		if own.Socket != nil {
			say("Socket unit: %s (%s)", own.Socket.Path, own.Socket.State)
		}
	}
	say("")
	if !st.Service.ConfigAudit.OK {
		remedy := "doctor --repair"
		warn("Service config looks out of date or non-standard.")
		for _, i := range st.Service.ConfigAudit.Issues {
			detail := ""
			if i.Detail != "" {
				detail = " (" + i.Detail + ")"
			}
			warn("Service config issue: %s%s", i.Message, detail)
			if i.Code == notOurs {
				remedy = "doctor"
			}
		}
		warn("Recommendation: run `%s`.\n", hint(t.profile, remedy))
	}
	missing := ""
	if !st.Config.CLI.Exists {
		missing = " (missing)"
	} else if !st.Config.CLI.Valid {
		missing = " (invalid)"
	}
	say("Config (cli): %s%s", st.Config.CLI.Path, missing)
	for n, i := range st.Config.CLI.Issues {
		if n == 5 {
			break
		}
		warn("Config issue: %s: %s", i.Path, i.Message)
	}
	say("")
	say("Gateway: bind=%s (%s), port=%d (%s)", st.Gateway.BindMode, st.Gateway.BindHost, st.Gateway.Port, st.Gateway.PortSource)
	say("Probe target: %s", st.Gateway.ProbeURL)
	if own.Fingerprint != "" {
		say("TLS fingerprint: %s", own.Fingerprint)
	}
	if st.Gateway.ProbeNote != "" {
		say("Probe note: %s", st.Gateway.ProbeNote)
	}
	say("")
	say("Profile: %s", firstOf(own.Profile, "(none)"))
	say("Registered: %s, loaded: %s, process alive: %s, owns the port: %s, ready: %s, authenticated: %s",
		own.Registered, own.Loaded, own.Alive, own.OwnsPort, own.Ready, own.Authenticated)
	if own.Supervisor != nil {
		say("Supervisor: pid %d%s", own.Supervisor.PID, unitNote(own.Supervisor.Unit))
	}
	if i := own.Instance; i != nil {
		say("Instance: %s%s", i.State, details(*i))
	}
	if own.Tailscale != nil {
		say("Tailscale: %s", tailscaleLine(*own.Tailscale))
	}
	say("Runtime: %s", st.Service.Runtime.line())
	switch {
	case st.RPC == nil:
	case st.RPC.OK:
		say("RPC probe: ok")
	default:
		warn("RPC probe: failed")
		warn("RPC target: %s", st.RPC.URL)
		for n, line := range strings.Split(st.RPC.Error, "\n") {
			if n == 12 {
				break
			}
			warn("  %s", line)
		}
	}
	if h := own.Health; h != nil {
		say("")
		a.printHealth(*h, time.Duration(h.DurationMs)*time.Millisecond, false)
	}
	a.printHints(t, st, say, warn)
}

// printHints says what to do about what is not as it should be.
func (a *app) printHints(t target, st gatewayStatus, say, warn func(string, ...any)) {
	own := st.Coderclaw
	if st.RPC != nil && !st.RPC.OK && st.Port.Status == "busy" {
		warn("Port %d is already in use.", st.Port.Port)
		for _, l := range st.Port.Listeners {
			warn("- pid %d %s: %s (%s)", l.PID, l.User, l.CommandLine, l.Address)
		}
	}
	if own.Registered == no && own.Alive != yes {
		say("")
		say("Service not installed. Run: %s", hint(t.profile, "gateway install"))
	}
	if st.LastError != "" {
		warn("Last gateway error: %s", st.LastError)
	}
	if len(st.ExtraServices) > 0 {
		warn("Other gateway-like services detected (best effort):")
		for _, e := range st.ExtraServices {
			warn("- %s (%s, %s)", e.Label, e.Scope, e.Detail)
			warn("  Cleanup hint: %s", e.cleanup())
		}
	}
	if st.RPC != nil && !st.RPC.OK {
		say("Troubles: run `%s`", hint(t.profile, "doctor"))
	}
}

// line is the runtime in one line: "running (pid 7, state active, sub running)".
func (r runtimeStatus) line() string {
	var parts []string
	if r.PID != 0 {
		parts = append(parts, fmt.Sprintf("pid %d", r.PID))
	}
	if r.State != "" && r.State != r.Status {
		parts = append(parts, "state "+r.State)
	}
	if r.SubState != "" {
		parts = append(parts, "sub "+r.SubState)
	}
	if r.LastExitStatus != nil {
		parts = append(parts, fmt.Sprintf("last exit %d", *r.LastExitStatus))
	}
	if r.Detail != "" {
		parts = append(parts, r.Detail)
	}
	if len(parts) == 0 {
		return r.Status
	}
	return r.Status + " (" + strings.Join(parts, ", ") + ")"
}

// refused tells whether the gateway answered and turned us down.
func refused(err error) bool {
	_, ok := errors.AsType[*protocol.Error](err)
	return ok
}
