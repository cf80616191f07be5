package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

func (a *app) gatewayStatusCommand() *cli.Command {
	return &cli.Command{
		Name:  "status",
		Usage: "the service, the process, the port and the RPC of a gateway, each by itself",
		Flags: append(clientFlags(true),
			&cli.BoolFlag{Name: "no-probe", Usage: "do not connect to the gateway"},
			&cli.BoolFlag{Name: "deep", Usage: "ask the gateway for its health, and look for other gateway services"},
			&cli.BoolFlag{Name: "require-rpc", Usage: "exit 3 unless the gateway answers its RPC"},
			systemFlags(false)[0],
		),
		Action: func(ctx context.Context, c *cli.Command) error {
			return a.within(ctx, c, "status", func() error { return a.gatewayStatusVerb(ctx, c) })
		},
	}
}

func (a *app) gatewayStatusVerb(ctx context.Context, c *cli.Command) error {
	t, err := a.target(c)
	if err != nil {
		return err
	}
	st, err := a.gatewayStatus(ctx, t, !c.Bool("no-probe"), c.Bool("deep"))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		err = a.printJSON(st)
	} else {
		a.printGatewayStatus(t, st)
	}
	if err == nil && c.Bool("require-rpc") && (st.RPC == nil || !st.RPC.OK) {
		return quiet(exitcode.NotRunning)
	}
	return err
}

// gatewayStatus gathers everything; what cannot be found out is unknown, not an error.
func (a *app) gatewayStatus(ctx context.Context, t target, probe, deep bool) (gatewayStatus, error) {
	st := gatewayStatus{ExtraServices: []extraService{}, Coderclaw: ownStatus{
		Profile: t.profile.Name, Fingerprint: t.fingerprint, Registered: unknown, Loaded: unknown, Alive: unknown, OwnsPort: unknown, Ready: unknown, Authenticated: unknown,
	}}
	st.Service.ConfigAudit = auditStatus{OK: true, Issues: []auditIssue{}}
	st.Service.Runtime.Status = unknown
	if t.profile.Registered() {
		r, err := a.registry()
		if err != nil {
			return st, err
		}
		s, err := a.service(t.profile, r)
		if err != nil {
			return st, err
		}
		a.serviceFacts(ctx, s, &st)
		if deep {
			st.ExtraServices = extraServices(s.host.Format(), s.unit, r)
		}
	}
	st.Config.CLI = fileStatus(t.config)
	st.Config.Daemon = st.Config.CLI
	st.Gateway = addressOf(t)
	a.instanceFacts(ctx, t, &st)
	if t.local() {
		st.Port = portFacts(st.Gateway.Port, a.held, &st)
	} else {
		st.Port = portStatus{Port: st.Gateway.Port, Status: unknown, Listeners: []portListener{}, Hints: []string{"the gateway is not looked for on this machine: " + t.source}}
	}
	if !probe {
		return st, nil
	}
	if why := st.notAsked(); why != "" {
		st.RPC = &rpcStatus{URL: t.shown(), Error: why}
		return st, nil
	}
	if st.Port.Status == "busy" && st.Coderclaw.OwnsPort == no {
		t.timeout = min(t.timeout, strangerPatience)
	}
	st.RPC = a.probe(ctx, t, deep, &st.Coderclaw)
	return st, nil
}

func fileStatus(s *config.Snapshot) configFile {
	f := configFile{Path: s.Path, Exists: s.Exists, Valid: s.Valid()}
	for _, p := range s.Problems {
		f.Issues = append(f.Issues, configIssue{Path: p.Path, Message: p.Message})
	}
	return f
}

func addressOf(t target) gatewayAddress {
	gw := t.config.Config.Gateway
	g := gatewayAddress{BindMode: firstOf(gw.Bind, "loopback"), CustomBindHost: gw.CustomBindHost, ProbeURL: t.shown(), PortSource: "env/config"}
	if u, err := url.Parse(t.url); err == nil {
		g.BindHost = u.Hostname()
		g.Port, _ = strconv.Atoi(u.Port()) // 0 for a URL without a port
	}
	switch {
	case !t.local(): // the bind is that of another gateway, if of any
	case g.BindMode == "loopback", g.BindMode == "auto":
		g.ProbeNote = "Loopback-only gateway; only local clients can connect."
	case g.BindMode == "lan":
		g.BindHost = "0.0.0.0"
		g.ProbeNote = "Listens on all interfaces; probing via " + net.JoinHostPort("127.0.0.1", strconv.Itoa(g.Port)) + "."
	}
	return g
}

// serviceFacts fills in what the service file and the service manager say.
func (a *app) serviceFacts(ctx context.Context, s unitService, st *gatewayStatus) {
	w := s.words()
	out := &st.Service
	out.Label, out.LoadedText, out.NotLoadedText = w.noun, w.on, w.off
	st.Coderclaw.Registered = no
	if s.installed(ctx) {
		st.Coderclaw.Registered = yes
	}
	state, err := s.state(ctx)
	if err != nil {
		out.Runtime.Detail = err.Error()
	} else {
		st.Coderclaw.Loaded = yesNo(state.LoadState == servicegen.LoadLoaded)
		out.Loaded = state.Enabled()
		out.Runtime = runtimeOf(state)
	}
	if st.Coderclaw.Registered != yes {
		return
	}
	st.Coderclaw.Scope = string(s.unit.Scope)
	if s.machines() {
		st.Coderclaw.User = firstOf(s.site.account.Name, "root")
	}
	if s.socket {
		socket := s.unit.SocketUnit()
		st.Coderclaw.Socket = &socketStatus{Path: socket.Path, State: unknown}
		if up, err := s.host.State(ctx, socket); err == nil {
			st.Coderclaw.Socket.State = up.ActiveState
		}
	}
	out.Command = &serviceCommand{ProgramArguments: state.Exec, SourcePath: s.unit.Path, Environment: map[string]string{}}
	if err != nil && s.unit.Path != "" { // nobody else can be asked than the disk
		disk := servicegen.Observe(s.host.Format(), s.unit.Path)
		out.Loaded = disk.StartedBy(s.spec.Target())
		if view, err := disk.View(s.host.Format(), s.unit.Scope, false); err == nil {
			out.Command.ProgramArguments = view.Command()
		}
	}
	for _, e := range state.Env {
		out.Command.Environment[e.Name] = e.Value
	}
	for _, i := range s.issues(state, err == nil) {
		out.ConfigAudit.OK = false
		out.ConfigAudit.Issues = append(out.ConfigAudit.Issues, i)
	}
}

func runtimeOf(s servicegen.State) runtimeStatus {
	r := runtimeStatus{Status: "stopped", State: s.ActiveState, SubState: s.SubState, PID: s.MainPID}
	if s.Running() {
		r.Status = "running"
	} else if s.Result != "" && s.Result != "success" {
		r.Detail = s.Result
		r.LastExitStatus = &s.ExecMainStatus
	}
	if s.LoadState == servicegen.LoadNotFound {
		r.MissingUnit = true
		r.Detail = "the unit is not there"
	}
	return r
}

// notOurs is the code of a service file that another product or registry put in place.
const notOurs = "unit-not-ours"

// issues are the differences between the service that should be and the one that is.
func (s unitService) issues(state servicegen.State, known bool) []auditIssue {
	if err := s.stranger(); err != nil {
		return []auditIssue{{Code: notOurs, Message: err.Error(), Level: "aggressive"}}
	}
	want, err := s.spec.View()
	if err != nil {
		return []auditIssue{{Code: "unit-unrenderable", Message: err.Error(), Level: "aggressive"}}
	}
	have, err := servicegen.Observe(s.host.Format(), s.unit.Path).View(s.host.Format(), s.unit.Scope, false)
	if err != nil {
		return []auditIssue{{Code: "unit-unreadable", Message: err.Error(), Level: "aggressive"}}
	}
	var out []auditIssue
	for _, d := range servicegen.Diff(want, have) {
		out = append(out, auditIssue{Code: "unit-drift", Message: d.Key + " differs", Detail: fmt.Sprintf("want %q, have %q", d.Want, d.Have), Level: "recommended"})
	}
	if known && state.NeedReload {
		out = append(out, auditIssue{Code: "unit-not-reloaded", Message: "the service manager has an older copy", Detail: "what is on disk is not in effect", Level: "recommended"})
	}
	return out
}

// instanceFacts fills in what the supervisor knows, or what the gateway's own lock says.
func (a *app) instanceFacts(ctx context.Context, t target, st *gatewayStatus) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	own := &st.Coderclaw
	if client, info, err := control.Find(t.profile); err == nil {
		status, err := client.Status(ctx)
		if err == nil {
			own.Supervisor = &status.Supervisor
			for _, i := range status.Instances {
				if i.Profile == t.profile.Name {
					own.Instance = &i
					own.Alive, own.Ready = yesNo(i.PID != 0), yesNo(i.State == instance.Ready)
					if i.State != instance.Ready {
						st.LastError = i.Reason
					}
				}
			}
			return
		}
		if proctable.Alive(info.PID, info.StartTime) {
			st.LastError = fmt.Sprintf("supervisor pid %d does not answer: %v", info.PID, err)
			return // what is not known stays unknown
		}
	}
	h, alive := statelock.Find(t.profile)
	own.Alive = yesNo(alive)
	if !alive {
		own.Ready = no
	} else if st.Service.Runtime.Status == unknown {
		st.Service.Runtime = runtimeStatus{Status: "running", PID: h.PID, Detail: "by hand, without a service"}
	}
}

// portFacts looks who listens on the port.
func portFacts(port int, held *holders, st *gatewayStatus) portStatus {
	p := portStatus{Port: port, Status: "free", Listeners: []portListener{}, Hints: []string{}}
	ls, err := held.listeners(port)
	if err != nil {
		p.Status = unknown
		p.Hints = append(p.Hints, err.Error())
		return p
	}
	own := &st.Coderclaw
	ours := false
	for _, l := range ls {
		p.Status = "busy"
		pl := portListener{PID: l.PID, User: proctable.UserName(l.UID), Address: l.Addr.String()}
		if proc, err := proctable.Get(l.PID); err == nil && len(proc.Argv) > 0 {
			pl.Command, pl.CommandLine = proc.Argv[0], strings.Join(proc.Argv, " ")
		}
		p.Listeners = append(p.Listeners, pl)
		if own.Supervisor != nil && proctable.IsDescendant(l.PID, own.Supervisor.PID) {
			ours = true
		}
		if st.Service.Runtime.PID != 0 && proctable.IsDescendant(l.PID, st.Service.Runtime.PID) {
			ours = true
		}
	}
	own.OwnsPort = portOwner(ls, ours, own.Alive)
	switch {
	case own.OwnsPort == yes:
		p.Hints = append(p.Hints, "the gateway itself listens here")
	case own.OwnsPort == no && len(ls) > 0:
		p.Hints = append(p.Hints, "another process is listening on this port: "+proctable.Describe(ls[0]))
	}
	return p
}

// portOwner says whether the port is the gateway's own. One that is held by what may
// not be seen, or whose gateway nobody knows, belongs to nobody knows whom.
func portOwner(ls []proctable.Listener, ours bool, alive string) string {
	switch {
	case len(ls) == 0:
		return no
	case ours:
		return yes
	case alive == unknown || slices.ContainsFunc(ls, func(l proctable.Listener) bool { return l.PID == 0 }):
		return unknown
	}
	return no
}
