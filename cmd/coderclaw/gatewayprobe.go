package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/discovery"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// probeReport is the machine form of `gateway probe --json` (spec/cli §4).
type probeReport struct {
	OK              bool           `json:"ok"` // some target is reachable
	TS              int64          `json:"ts"`
	DurationMs      int64          `json:"durationMs"`
	TimeoutMs       int64          `json:"timeoutMs"`
	PrimaryTargetID *string        `json:"primaryTargetId"`
	Warnings        []probeWarning `json:"warnings"`
	Network         probeNetwork   `json:"network"`
	Discovery       probeDiscovery `json:"discovery"`
	Targets         []probeResult  `json:"targets"`
}

type probeWarning struct {
	Code      string   `json:"code"` // ssh_tunnel_failed, multiple_gateways or discovery_failed
	Message   string   `json:"message"`
	TargetIDs []string `json:"targetIds,omitempty"`
}

type probeNetwork struct {
	LocalLoopbackURL string  `json:"localLoopbackUrl"`
	LocalTailnetURL  *string `json:"localTailnetUrl"`
	TailnetIPv4      *string `json:"tailnetIPv4"`
}

type probeDiscovery struct {
	TimeoutMs int64              `json:"timeoutMs"`
	Count     int                `json:"count"`
	Beacons   []discovery.Beacon `json:"beacons"`
}

// probeResult is what one target was like. Connect says whether a gateway answers
// there, RPC whether it does what it is asked.
type probeResult struct {
	ID       string                   `json:"id"`
	Kind     string                   `json:"kind"` // explicit, configRemote, localLoopback or sshTunnel
	URL      string                   `json:"url"`
	Active   bool                     `json:"active"` // what other commands would talk to
	Tunnel   *probeTunnel             `json:"tunnel"`
	Connect  probeConnect             `json:"connect"`
	RPC      probeRPC                 `json:"rpc"`
	Self     *probeSelf               `json:"self"`
	Config   *probeConfig             `json:"config"`
	Health   *protocol.HealthSummary  `json:"health"`
	Summary  *protocol.StatusSummary  `json:"summary"`
	Presence []protocol.PresenceEntry `json:"presence"`
}

type probeConnect struct {
	OK        bool        `json:"ok"`
	LatencyMs *int64      `json:"latencyMs"`
	Error     *string     `json:"error"`
	Close     *probeClose `json:"close"`
}

type probeClose struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`
}

type probeRPC struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
}

type probeSelf struct {
	Host     string `json:"host"`
	IP       string `json:"ip"`
	Version  string `json:"version"`
	Platform string `json:"platform"`
}

type probeTunnel struct {
	Kind   string `json:"kind"` // ssh
	Target string `json:"target"`
	Port   int    `json:"port"` // of the gateway there
}

// The most that each part of a probe may take with the timeout that it has unless a
// person says another (spec/cli §4). A longer one stretches them alike, but for the
// look around: who announces himself answers in a tenth of a second, and a look takes
// all of its time.
const (
	probeTimeout   = 3 * time.Second
	loopbackBudget = 800 * time.Millisecond
	sshBudget      = 2 * time.Second
	otherBudget    = 1500 * time.Millisecond
	lookBudget     = 600 * time.Millisecond
	lookBudgetAuto = 1200 * time.Millisecond // when ssh depends on it
	tunnelBudget   = 1500 * time.Millisecond
)

func (a *app) gatewayProbeCommand() *cli.Command {
	return &cli.Command{
		Name:  "probe",
		Usage: "which gateways can be reached from here: that of a URL, the one of the config, the one of this machine, and one behind ssh",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "url", Usage: "also try the gateway at `URL`, with the given credentials only"},
			&cli.StringFlag{Name: "tls-fingerprint", Usage: "with --url: insist on the certificate with this `SHA256`"},
			&cli.StringFlag{Name: "ssh", Usage: "also try the gateway of `USER@HOST:PORT`, through ssh; the host's key must be known already"},
			&cli.StringFlag{Name: "ssh-identity", Usage: "log in with the key in `FILE`"},
			&cli.BoolFlag{Name: "ssh-auto", Usage: "find the host for ssh: that of gateway.remote.url, else the first gateway that announces itself"},
			&cli.StringFlag{Name: "timeout", Usage: "give up after `MS` milliseconds", Value: fmt.Sprint(probeTimeout.Milliseconds())},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: a.gatewayProbe,
	}
}

func (a *app) gatewayProbe(ctx context.Context, c *cli.Command) error {
	plan, err := a.probePlan(c)
	if err != nil {
		return err
	}
	report := a.runProbe(ctx, plan)
	if c.Bool("json") {
		err = a.printJSON(report)
	} else {
		a.printProbe(report)
	}
	if err == nil && !report.OK {
		return quiet(exitcode.Failed)
	}
	return err
}

// runProbe tries all targets at once, and looks for announced gateways meanwhile.
func (a *app) runProbe(ctx context.Context, plan probePlan) probeReport {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, plan.timeout)
	defer cancel()
	report := probeReport{TS: start.UnixMilli(), TimeoutMs: plan.timeout.Milliseconds(), Warnings: []probeWarning{}, Network: plan.network}
	look := lookBudget
	if plan.sshAuto {
		look = lookBudgetAuto
	}
	look = min(look, plan.timeout)
	report.Discovery = probeDiscovery{TimeoutMs: look.Milliseconds(), Beacons: []discovery.Beacon{}}
	report.Targets = make([]probeResult, len(plan.targets))
	var all sync.WaitGroup
	for i, t := range plan.targets {
		all.Go(func() { report.Targets[i] = a.tryTarget(ctx, t, plan) })
	}
	var looked error
	discovered := make(chan struct{})
	all.Go(func() {
		defer close(discovered)
		ctx, cancel := context.WithTimeout(ctx, look)
		defer cancel()
		var found []discovery.Beacon
		if found, looked = discovery.Find(ctx); looked == nil {
			report.Discovery.Beacons, report.Discovery.Count = found, len(found)
		}
	})
	var tunnelled *probeResult
	var tunnelFailed error
	all.Go(func() {
		way := plan.ssh
		if way == nil && plan.sshAuto {
			<-discovered
			way, tunnelFailed = sshFromBeacons(report.Discovery.Beacons, plan)
		}
		if way != nil {
			tunnelled, tunnelFailed = a.tryTunnel(ctx, *way, plan)
		}
	})
	all.Wait()
	if tunnelled != nil {
		report.Targets = append(report.Targets, *tunnelled)
	}
	if looked != nil {
		report.Warnings = append(report.Warnings, probeWarning{Code: "discovery_failed", Message: looked.Error()})
	}
	if tunnelFailed != nil {
		report.Warnings = append(report.Warnings, probeWarning{Code: "ssh_tunnel_failed", Message: tunnelFailed.Error()})
	}
	report.judge()
	report.DurationMs = time.Since(start).Milliseconds()
	return report
}

// judge says which target counts first, and warns when they are not all one gateway.
func (r *probeReport) judge() {
	gateways := map[string]bool{}
	var reachable []string
	for _, kind := range []string{kindExplicit, kindSSH, kindRemote, kindLocal} {
		for _, t := range r.Targets {
			if t.Kind != kind || !t.Connect.OK {
				continue
			}
			if r.PrimaryTargetID == nil {
				r.PrimaryTargetID = &t.ID
			}
			reachable = append(reachable, t.ID)
			who := t.URL
			if t.Health != nil && t.Health.Coderclaw != nil {
				who = t.Health.Coderclaw.Instance
			}
			gateways[who] = true
		}
	}
	r.OK = len(reachable) > 0
	if len(gateways) > 1 {
		r.Warnings = append(r.Warnings, probeWarning{Code: "multiple_gateways", TargetIDs: reachable,
			Message: "several gateways can be reached; that is unusual unless they are meant to be apart, as a rescue gateway is"})
	}
}

// tryTarget connects and asks for what a gateway says of itself.
func (a *app) tryTarget(ctx context.Context, t probeTarget, plan probePlan) probeResult {
	res := probeResult{ID: t.kind, Kind: t.kind, URL: t.shown(), Active: t.active}
	ctx, cancel := context.WithTimeout(ctx, plan.stretch(t.budget))
	defer cancel()
	start := time.Now()
	fail := func(err error) {
		if errors.Is(err, context.DeadlineExceeded) {
			err = errors.New("timeout")
		}
		text := err.Error()
		res.RPC.Error, res.Connect.Error = text, &text
	}
	conn, err := a.dial(ctx, t.target, "probe", nil)
	took := time.Since(start).Milliseconds()
	if code, reason, answered := closeOf(err); answered {
		res.Connect.Close = &probeClose{code, reason}
	}
	if res.Connect.OK = err == nil || refused(err); res.Connect.OK {
		res.Connect.LatencyMs = &took
	}
	if err != nil {
		fail(err)
		return res
	}
	var snapshot protocol.ConfigSnapshot
	for _, ask := range []struct {
		method string
		into   any
	}{{"health", &res.Health}, {"status", &res.Summary}, {"system-presence", &res.Presence}, {"config.get", &snapshot}} {
		if err = conn.Call(ctx, ask.method, struct{}{}, ask.into); err != nil {
			break
		}
	}
	_ = conn.Close() // everything was said
	for _, e := range res.Presence {
		if e.Reason == "self" {
			res.Self = &probeSelf{Host: e.Host, IP: e.IP, Version: e.Version, Platform: e.Platform}
			break
		}
	}
	if err != nil {
		fail(err)
		return res
	}
	res.RPC.OK = true
	res.Config = summarise(snapshot)
	return res
}
