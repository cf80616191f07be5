package doctor

import (
	"net/netip"
	"os"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/config"
)

func configExams() []exam {
	says := func(text string) func(*testing.T, *Target, *Observation) {
		return func(t *testing.T, g *Target, o *Observation) { reconfigure(t, g, o, text) }
	}
	const auth = `auth: {mode: "token", token: "` + canary + `"}`
	return []exam{
		{"no config", func(_ *testing.T, _ *Target, o *Observation) { o.ConfigFile = nil }, []Code{ConfigMissing}},
		{"config with a syntax error", says("{gateway: "), []Code{ConfigInvalid}},
		{"config with an unknown key", says(`{gateway: {mode: "local", ` + auth + `, prot: 1}}`), []Code{ConfigInvalid}},
		{"config without a credential", says(`{gateway: {mode: "local"}}`), []Code{ConfigIncomplete}},
		{"config without a mode", says(`{gateway: {` + auth + `}}`), []Code{ConfigIncomplete}},
		{"config for another machine", says(`{gateway: {mode: "remote", remote: {url: "wss://x"}}}`), []Code{ConfigIncomplete}},
		{"config with a key that does nothing", says(`{gateway: {mode: "local", ` + auth + `}, cron: {enabled: true}}`), []Code{ConfigWarning}},
		{"config of the Node product", says(`{gateway: {mode: "local", ` + auth + `}, meta: {lastTouchedVersion: "2026.1.1"}}`), []Code{ConfigNode}},
		{"config of its wizard", says(`{gateway: {mode: "local", ` + auth + `}, wizard: {lastRunVersion: "2026.1.1"}}`), []Code{ConfigNode}},
		{"open to the network", func(_ *testing.T, _ *Target, o *Observation) {
			o.Check.Addrs = []netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:19001")}
		}, []Code{BindOpen}},
		{"open to insecure pages", says(`{gateway: {mode: "local", ` + auth + `, controlUi: {allowInsecureAuth: true, dangerouslyDisableDeviceAuth: true}}}`), []Code{AuthWeakened, AuthWeakened}},
		{"no credential wanted", func(_ *testing.T, _ *Target, o *Observation) { o.Check.AuthMode = config.AuthNone }, []Code{AuthWeakened}},
		{"no workspace", func(_ *testing.T, _ *Target, o *Observation) { o.Workspace = observePlace("/nonexistent/w") }, []Code{WorkspaceMissing}},
		{"workspace is a file", func(_ *testing.T, g *Target, o *Observation) { o.Workspace = observePlace(g.Profile.ConfigPath) }, []Code{WorkspaceMissing}},
		{"repair interrupted", func(_ *testing.T, _ *Target, o *Observation) { o.Unfinished = []string{"20270101"} }, []Code{RepairOpen}},
		{"foreign state dir", func(_ *testing.T, _ *Target, o *Observation) { o.StateDirUID = os.Getuid() + 1 }, []Code{StateDirOwner}},
	}
}
