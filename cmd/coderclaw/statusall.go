package main

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/buildinfo"
	"github.com/coderclaw/coderclaw/internal/logfile"
	"github.com/coderclaw/coderclaw/profiles"
)

// allReport is the machine form of `status --all --json`.
type allReport struct {
	Version  string          `json:"version"`
	OS       osJSON          `json:"os"`
	TS       int64           `json:"ts"`
	Registry string          `json:"registry"`
	Profiles []profileReport `json:"profiles"`
}

// profileReport is what can be seen of one profile. Error says why no more could.
type profileReport struct {
	Name  string         `json:"name"`
	SetUp bool           `json:"setUp"`
	Error string         `json:"error,omitempty"`
	State *gatewayStatus `json:"status,omitempty"`
	Log   []string       `json:"log"` // its last warnings and errors, the oldest first
}

// atOnce is how many profiles are looked at at a time: a gateway that hangs keeps
// only its own report waiting.
const atOnce = 8

// statusAll prints a report on every profile. It only looks.
func (a *app) statusAll(ctx context.Context, c *cli.Command) error {
	for _, flag := range []string{"url", "token", "password", "tls-fingerprint", "deep", "require-rpc"} {
		if c.IsSet(flag) {
			return usageError("--%s is for one gateway; leave it out with --all", flag)
		}
	}
	timeout, err := timeoutOf(c)
	if err != nil {
		return err
	}
	r, err := a.shownRegistry()
	if err != nil {
		return err
	}
	list, err := a.named(r, nil)
	if err != nil {
		return err
	}
	report := allReport{Version: buildinfo.Version(), OS: osJSON{runtime.GOOS, runtime.GOARCH}, TS: time.Now().UnixMilli(), Registry: r.Path(), Profiles: make([]profileReport, len(list))}
	hidden := &secrets{home: r.Home()}
	targets := make([]target, len(list))
	var ports []int
	for i, p := range list {
		targets[i], report.Profiles[i] = a.apart().reportTarget(p, r, timeout, hidden)
		if report.Profiles[i].Error == "" && targets[i].local() {
			ports = append(ports, addressOf(targets[i]).Port)
		}
	}
	held := holdersOf(ports)
	slots := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i := range list {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			to := a.apart()
			to.held = held
			to.reportOn(ctx, targets[i], &report.Profiles[i])
		})
	}
	all.Wait()
	var text bytes.Buffer
	to := a.apart()
	to.stdout, to.stderr = &text, &text
	if c.Bool("json") {
		err = to.printJSON(report)
	} else {
		to.printAll(report)
	}
	if err != nil {
		return err
	}
	_, err = a.stdout.Write([]byte(hidden.out(text.String())))
	return err
}

// apart is an app for one of several profiles that are looked at at once. The
// variables that describe a gateway outside the registry do not count for it.
func (a *app) apart() *app {
	return &app{argv0: a.argv0, args: a.args, stdin: a.stdin, stdout: a.stdout, stderr: a.stderr, env: func(name string) (string, bool) {
		switch name {
		case "CODERCLAW_STATE_DIR", "CODERCLAW_CONFIG_PATH", "CODERCLAW_GATEWAY_PORT", config.EnvToken, config.EnvPassword:
			return "", false
		}
		return a.env(name)
	}}
}

// reportTarget is the gateway of one profile, and the beginning of the report on it.
func (a *app) reportTarget(p profiles.Profile, r *profiles.Registry, timeout time.Duration, hidden *secrets) (target, profileReport) {
	out := profileReport{Name: p.Name, Log: []string{}}
	if _, err := os.Stat(p.ConfigPath); err == nil {
		out.SetUp = true
	}
	t := target{profile: p, timeout: timeout}
	lookup, handed, err := config.Environment(p, a.env)
	hidden.addAll(handed)
	if err != nil {
		out.Error = err.Error()
		return t, out
	}
	if t.config, err = config.LoadProfile(p, lookup); err != nil {
		out.Error = err.Error()
		return t, out
	}
	hidden.addConfig(t.config.Config.Gateway)
	hidden.addConfig(effectiveGateway(t.config, p, lookup))
	hidden.addTokens(p)
	if t, err = a.configTarget(t, r, lookup); err != nil {
		out.Error = err.Error()
	}
	return t, out
}

// reportOn looks at the profile of t, unless that has failed already.
func (a *app) reportOn(ctx context.Context, t target, out *profileReport) {
	if out.Error != "" {
		return
	}
	st, err := a.gatewayStatus(ctx, t, out.SetUp, false)
	if err != nil {
		out.Error = err.Error()
		return
	}
	out.State = &st
	if text, err := logfile.Tail(t.profile.LogDir(), troubleBytes); err == nil { // there may be no log yet
		out.Log = troubles(text, troubleLines)
	}
}
