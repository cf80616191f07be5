package doctor

import (
	"net/netip"
	"os"
	"testing"

	"github.com/coderclaw/coderclaw/internal/proctable"
)

func portExams() []exam {
	return []exam{
		{"stranger", func(_ *testing.T, _ *Target, o *Observation) {
			o.Listeners = []proctable.Listener{{PID: 1, Addr: netip.MustParseAddrPort("127.0.0.1:19001")}}
		}, []Code{PortHeld}},
		{"service that has just begun", func(_ *testing.T, _ *Target, o *Observation) {
			o.Supervisor, o.State.ActiveState, o.State.SubState = nil, "activating", "start"
			o.State.MainPID = os.Getpid()
			o.Listeners = []proctable.Listener{{PID: os.Getpid(), Addr: netip.MustParseAddrPort("127.0.0.1:19001")}}
		}, nil},
		{"gateway by hand on the port", func(_ *testing.T, _ *Target, o *Observation) {
			o.Gateway, o.GatewayBelow = os.Getpid(), true
			o.Listeners = []proctable.Listener{{PID: os.Getpid()}}
		}, nil},
		{"port of another profile", func(t *testing.T, g *Target, o *Observation) {
			g.Profiles = registry(t, "")
			reconfigure(t, g, o, `{gateway: {mode: "local", port: 18790, auth: {mode: "token", token: "`+canary+`"}}}`)
			observePort(*g, o)
			o.Listeners, o.Supervisor.Instances[0].Port = nil, 18790
		}, []Code{PortClash}},
		{"port that another config names", func(t *testing.T, g *Target, o *Observation) {
			g.Profiles = registry(t, "")
			o.Machine = &Machine{Ports: map[string]int{"dev": 30000, "rescue": 30000, "default": 18789}}
			reconfigure(t, g, o, `{gateway: {mode: "local", port: 30000, auth: {mode: "token", token: "`+canary+`"}}}`)
			observePort(*g, o)
			o.Listeners = nil
		}, []Code{PortClash}},
		{"port elsewhere", func(t *testing.T, g *Target, o *Observation) {
			g.Profiles = registry(t, "")
			o.Machine = &Machine{Ports: map[string]int{"dev": 30000, "rescue": 19789}}
			reconfigure(t, g, o, `{gateway: {mode: "local", port: 30000, auth: {mode: "token", token: "`+canary+`"}}}`)
			observePort(*g, o)
			o.Listeners = nil
		}, []Code{PortMoved}},
		{"port within the block", func(t *testing.T, g *Target, o *Observation) {
			reconfigure(t, g, o, `{gateway: {mode: "local", port: 19002, auth: {mode: "token", token: "`+canary+`"}}}`)
		}, nil},
		{"port not taken up", func(_ *testing.T, _ *Target, o *Observation) { o.Supervisor.Instances[0].Port = 19002 }, []Code{PortNotApplied}},
	}
}
