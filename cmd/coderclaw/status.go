package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/internal/buildinfo"
	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// statusJSON is the machine form of `status --json`: what the gateway says of
// itself, and beside it what can be seen from outside.
type statusJSON struct {
	*protocol.StatusSummary
	OS             osJSON                  `json:"os"`
	Gateway        gatewayBrief            `json:"gateway"`
	GatewayService serviceBrief            `json:"gatewayService"`
	Health         *protocol.HealthSummary `json:"health,omitempty"` // with --deep
	Coderclaw      ownStatus               `json:"coderclaw"`        // the facts, each by itself
}

type osJSON struct {
	Platform string `json:"platform"`
	Arch     string `json:"arch"`
}

type gatewayBrief struct {
	Mode      string `json:"mode"`
	URL       string `json:"url"`
	URLSource string `json:"urlSource"`
	Reachable bool   `json:"reachable"`
	Error     string `json:"error,omitempty"`
}

type serviceBrief struct {
	Label        string `json:"label"`
	Installed    bool   `json:"installed"`
	LoadedText   string `json:"loadedText"`
	RuntimeShort string `json:"runtimeShort"`
}

func (a *app) statusCommand() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "an overview of the gateway and what it holds",
		Flags: append(clientFlags(false),
			&cli.BoolFlag{Name: "deep", Usage: "have the gateway look at its health anew, and show it"},
			&cli.BoolFlag{Name: "all", Usage: "a report on every profile to paste somewhere: it mends nothing, and shows no secret"},
			&cli.BoolFlag{Name: "require-rpc", Usage: "exit 3 unless the gateway answers its RPC"}),
		Action: a.status,
	}
}

func (a *app) status(ctx context.Context, c *cli.Command) error {
	if c.Bool("all") {
		return a.statusAll(ctx, c)
	}
	t, err := a.target(c)
	if err != nil {
		return err
	}
	deep := c.Bool("deep")
	st, err := a.gatewayStatus(ctx, t, true, deep)
	if err != nil {
		return err
	}
	out := statusJSON{OS: osJSON{runtime.GOOS, runtime.GOARCH}, Health: st.Coderclaw.Health, Coderclaw: st.Coderclaw}
	out.Coderclaw.Health = nil // it stands beside it
	out.Gateway = gatewayBrief{Mode: firstOf(t.config.Config.Gateway.Mode, "local"), URL: t.shown(), URLSource: t.source, Reachable: st.RPC.OK, Error: st.RPC.Error}
	out.GatewayService = serviceBrief{Label: st.Service.Label, Installed: st.Coderclaw.Registered == yes,
		LoadedText: st.Service.NotLoadedText, RuntimeShort: st.Service.Runtime.line()}
	if st.Service.Loaded {
		out.GatewayService.LoadedText = st.Service.LoadedText
	}
	if st.RPC.OK {
		var sum protocol.StatusSummary
		if err := a.call(ctx, t, "probe", "status", struct{}{}, &sum); err != nil {
			out.Gateway.Error = err.Error()
		} else {
			out.StatusSummary = &sum
		}
	}
	if c.Bool("json") {
		err = a.printJSON(out)
	} else {
		err = a.printStatus(t, st, out)
	}
	if err == nil && c.Bool("require-rpc") && !st.RPC.OK {
		return quiet(exitcode.NotRunning)
	}
	return err
}

// tailscaleLine says in a few words what became of publishing a gateway.
func tailscaleLine(t protocol.Tailscale) string {
	return strings.TrimSpace(t.Mode + " " + t.State + " " + firstOf(t.URL, t.Detail))
}

func (a *app) printStatus(t target, st gatewayStatus, out statusJSON) error {
	reach := "reachable"
	if !out.Gateway.Reachable {
		reach = "unreachable"
	}
	fmt.Fprintf(a.stdout, "CoderClaw status\n\n")
	tw := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	row := func(item, format string, args ...any) {
		fmt.Fprintf(tw, "%s\t%s\n", item, fmt.Sprintf(format, args...))
	}
	row("Profile", "%s", firstOf(t.profile.Name, "(described by the environment)"))
	row("Version", "%s", buildinfo.Version())
	row("OS", "%s/%s", out.OS.Platform, out.OS.Arch)
	row("Gateway", "%s · %s (%s) · %s", out.Gateway.Mode, out.Gateway.URL, out.Gateway.URLSource, reach)
	switch {
	case !t.profile.Registered():
		row("Gateway service", "none")
	case out.GatewayService.Installed:
		row("Gateway service", "%s installed · %s · %s", out.GatewayService.Label, out.GatewayService.LoadedText, out.GatewayService.RuntimeShort)
	default:
		row("Gateway service", "%s not installed", out.GatewayService.Label)
	}
	row("Facts", "%s", st.Coderclaw.facts())
	if i := st.Coderclaw.Instance; i != nil {
		row("Instance", "%s%s, %d restarts", i.State, details(*i), i.Restarts)
	}
	if s := out.StatusSummary; s != nil {
		row("Agents", "%s (default)", s.Heartbeat.DefaultAgentID)
		row("Sessions", "%d", s.Sessions.Count)
		for _, ch := range s.ChannelSummary {
			row("Channel", "%s", ch)
		}
		if s.Coderclaw != nil {
			if ts := s.Coderclaw.Tailscale; ts != nil {
				row("Tailscale", "%s", tailscaleLine(*ts))
			}
			for _, line := range siblingLines(s.Coderclaw.Siblings) {
				row("Sibling", "%s", line)
			}
		}
	}
	row("Config", "%s", t.profile.ConfigPath)
	row("Logs", "%s", t.profile.LogDir())
	if err := tw.Flush(); err != nil {
		return err
	}
	if h := st.Coderclaw.Health; h != nil {
		fmt.Fprintln(a.stdout)
		a.printHealth(*h, time.Duration(h.DurationMs)*time.Millisecond, false)
	}
	if out.Gateway.Error != "" {
		fmt.Fprintf(a.stderr, "\n%s\n", out.Gateway.Error)
	}
	if !out.Gateway.Reachable {
		fmt.Fprintln(a.stdout, nextSteps(t, st))
	}
	return nil
}

// nextSteps are the commands that help with a gateway that does not answer. One that
// runs and lets nobody in is not to be started, nor is one elsewhere.
func nextSteps(t target, st gatewayStatus) string {
	text := "\nNext steps:"
	if !t.local() {
		return text + "\n  see which gateways answer: " + hint(t.profile, "gateway probe")
	}
	if st.Coderclaw.Alive != yes {
		text += "\n  start it: " + startHint(t.profile)
	}
	return text + "\n  see why:  " + hint(t.profile, "gateway status") + "\n  mend it:  " + hint(t.profile, "doctor")
}
