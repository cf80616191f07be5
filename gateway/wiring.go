package gateway

import (
	"cmp"
	"os"
	"runtime"
	"time"

	"github.com/coderclaw/coderclaw/gateway/approvals"
	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/channels"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/configview"
	"github.com/coderclaw/coderclaw/gateway/devices"
	"github.com/coderclaw/coderclaw/gateway/health"
	"github.com/coderclaw/coderclaw/gateway/heartbeat"
	"github.com/coderclaw/coderclaw/gateway/logs"
	"github.com/coderclaw/coderclaw/gateway/nodes"
	"github.com/coderclaw/coderclaw/gateway/presence"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rescue"
	"github.com/coderclaw/coderclaw/gateway/rpc"
	"github.com/coderclaw/coderclaw/gateway/sysevents"
)

// feature adds methods to the gateway.
type feature interface{ Register(*rpc.Mux) }

func register(m *rpc.Mux, features ...feature) {
	for _, f := range features {
		f.Register(m)
	}
}

// plugIn makes the features, shows those to each other that need it, and adds their
// methods. It needs the options, and calls nothing of what they hold.
func (g *Gateway) plugIn(host string) {
	o, cfg := &g.o, g.o.Config.Config
	now := time.Now
	notes := &sysevents.Queue{}
	chans := channels.New(g.hub.Count, now)
	g.devices = auth.NewDevices(o.StateDir, now)
	g.presence = presence.New(presence.Self{Host: host, Version: o.Version, Platform: runtime.GOOS, DeviceFamily: family(), Arch: runtime.GOARCH}, now)
	g.beats = heartbeat.New(schedule(cfg.Agents.Defaults.Heartbeat), notes, g.tellHeartbeat)
	about := health.Sources{Channels: chans, Agent: g.beats}
	if o.Rescue != nil {
		f := rescue.New(o.Rescue, now)
		register(g.mux, f)
		about.Others = f
	}
	g.health = health.New(o.identity(), o.StateDir, about, g.asked.Note, now)
	g.approvals = approvals.NewDecisions(now, g.broadcast)
	policy := nodes.Policy{Allow: cfg.Gateway.Nodes.AllowCommands, Deny: cfg.Gateway.Nodes.DenyCommands}
	g.nodes = nodes.New(nodes.Options{StateDir: o.StateDir, Devices: g.devices, Approvals: g.approvals, Policy: policy, Tell: g.broadcast, Log: o.Log}, now)
	register(g.mux,
		g.health,
		logs.New(o.LogDir),
		chans,
		configview.New(o.LoadConfig),
		approvals.NewLists(o.StateDir, g.nodes),
		g.approvals,
		g.nodes,
		devices.New(g.devices, now, g.pairResolved, g.part),
		g.presence,
		presence.NewEvents(g.presence, notes, g.around.Note),
		g.beats,
	)
}

// identity is what the gateway is called in health.
func (o *Options) identity() protocol.Identity {
	build := o.Version
	if o.Commit != "" {
		build += "+" + o.Commit
	}
	return protocol.Identity{Profile: o.Profile, Instance: o.Instance, PID: os.Getpid(), Build: build, Degraded: o.Degraded, Isolation: o.Isolation}
}

// rotations are where the gateway learns that its token was rotated.
func rotations(o *Options) auth.Rotations {
	return auth.Rotations{File: auth.RotationFile(o.StateDir), Config: o.ConfigPath, Token: func() (string, error) {
		s, err := o.LoadConfig()
		if err != nil {
			return "", err
		}
		return s.Config.Gateway.Auth.Token, nil
	}}
}

// schedule is what the config says of heartbeats.
func schedule(h config.Heartbeat) heartbeat.Schedule {
	return heartbeat.Schedule{Every: h.Every, Pause: h.Pause, Prompt: cmp.Or(h.Prompt, heartbeat.Prompt), Target: h.Target, AckMaxChars: h.AckMaxChars}
}

func family() string {
	switch runtime.GOOS {
	case "darwin":
		return "Mac"
	case "windows":
		return "Windows"
	}
	return "Linux"
}
