package doctor

import (
	"os"

	"github.com/coderclaw/coderclaw/gateway/config"
)

// observeApplied finds out with which credential the gateway runs: soon after it has
// become ready its config is kept as the last good one, unless the registry says
// otherwise. It stays unknown until then, and for one that is degraded.
func observeApplied(t Target, o *Observation) {
	if o.Supervisor == nil || t.Profiles == nil || !t.Profiles.LastGood() {
		return
	}
	for _, i := range o.Supervisor.Instances {
		if i.Profile != t.Profile.Name || !i.Kept {
			continue
		}
		good := t.Profile
		good.ConfigPath = good.LastGoodFile()
		if info, err := os.Lstat(good.ConfigPath); err != nil || !info.Mode().IsRegular() {
			return
		}
		lookup, _, err := config.Environment(t.Profile, t.Env)
		if err != nil {
			return
		}
		if s, err := config.LoadProfile(good, lookup); err == nil && s.Exists && s.Valid() {
			o.Applied = &s.Config.Gateway.Auth
		}
	}
}

// credential looks whether the gateway asks for what its config says. Commands on
// this machine read the config, so they are refused where it does not.
func (e *examiner) credential() {
	o := e.o
	if o.Applied == nil || o.Config == nil || !o.Config.Valid() || o.CheckErr != nil {
		return
	}
	have, want := *o.Applied, o.Config.Config.Gateway.Auth
	key := ""
	switch {
	case have.Mode != want.Mode:
		key = "gateway.auth.mode"
	case have.Token != want.Token:
		key = "gateway.auth.token"
	case have.Password != want.Password:
		key = "gateway.auth.password"
	default:
		return
	}
	e.add(CredentialNotApplied, ViewRunning, Finding{Path: e.t.Profile.ConfigPath, Key: key, Have: "an older one", Want: "the one of the config"})
}

// applyCredential restarts the gateway, and leaves the supervisor and its siblings alone.
func applyCredential(t Target, _ Observation, _ []Finding) ([]Step, error) {
	return []Step{t.runStep(VerbGateway)}, nil
}
