package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/lmittmann/tint"
	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway"
	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/internal/buildinfo"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/logfile"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
)

// gatewayForeground runs a gateway that a person typed: it works alone, reads
// flags and environment, and writes its own log file.
func (a *app) gatewayForeground(ctx context.Context, c *cli.Command) error {
	p, r, err := a.profile()
	if err != nil {
		return err
	}
	if err := config.Usable(p); err != nil {
		return err
	}
	snap, lookup, err := a.configOf(p)
	if err != nil {
		return err
	}
	if err := snap.Err(); err != nil {
		return err
	}
	if err := publishMode(c, &snap.Config.Gateway.Tailscale); err != nil {
		return err
	}
	cfg := snap.Config.Gateway
	if p.Port, err = a.gatewayPort(c, p, r, cfg.Port); err != nil {
		return err
	}
	if !c.Bool("allow-unconfigured") {
		if err := config.ModeGate(snap); err != nil {
			return err
		}
	}
	bind, err := bindMode(c, cfg)
	if err != nil {
		return err
	}
	addrs, err := config.BindAddrs(bind, cfg.CustomBindHost, p.Port)
	if err != nil {
		return err
	}
	settings, err := a.gatewayAuth(c, cfg, p, lookup)
	if errors.Is(err, auth.ErrNoCredential) {
		for _, addr := range addrs {
			if wide := config.BindGate(addr); wide != nil {
				return wide
			}
		}
	}
	if err != nil {
		return err
	}
	if err := snap.AuthGate(settings.Mode, addrs, settings.Token != "", settings.Password != ""); err != nil {
		return err
	}
	if c.Bool("force") {
		if err := a.freePort(ctx, p.Port); err != nil {
			return fmt.Errorf("--force: %w", err)
		}
	}
	if err := os.MkdirAll(p.StateDir, 0o700); err != nil {
		return fmt.Errorf("state dir of %s: %w; create it or name another", hint(p, "gateway"), err)
	}
	lock, err := statelock.Take(p, introduction(snap, settings))
	if err != nil {
		return err
	}
	defer lock.Close()
	listeners, err := a.listenAddrs(ctx, addrs)
	if err != nil {
		return err
	}
	return a.serveForeground(ctx, foreground{p, snap, lookup, settings, listeners, c.Bool("verbose")})
}

// foreground is a gateway that was checked and may serve.
type foreground struct {
	profile   profiles.Profile
	config    *config.Snapshot
	lookup    profiles.Lookup // variables of the config
	auth      auth.Settings
	listeners []net.Listener
	verbose   bool
}

func (a *app) serveForeground(ctx context.Context, f foreground) error {
	p, snap := f.profile, f.config
	encrypted, err := serverTLS(snap, p)
	if err != nil {
		return err
	}
	file, err := logfile.Open(logfile.Options{Dir: p.LogDir()})
	if err != nil {
		return err
	}
	defer file.Close()
	consoleLevel := logLevel(firstOf(snap.Config.Logging.ConsoleLevel, snap.Config.Logging.Level))
	if f.verbose {
		consoleLevel = slog.LevelDebug
	}
	log := slog.New(slog.NewMultiHandler(
		tint.NewTextHandler(a.stderr, &tint.Options{Level: consoleLevel, TimeFormat: time.TimeOnly, NoColor: !a.colour()}),
		slog.NewJSONHandler(file, &slog.HandlerOptions{Level: logLevel(snap.Config.Logging.Level)}),
	))
	for _, w := range snap.Warnings {
		log.Warn("config", "at", w.String())
	}
	local := ticketSocket(p, log)
	g, err := gateway.New(gateway.Options{
		Profile: p.Name, Instance: rand.Text(), StateDir: p.StateDir, ConfigPath: p.ConfigPath,
		LogDir: p.LogDir(), Port: p.Port, Listeners: f.listeners, Config: snap, Auth: f.auth,
		LoadConfig: func() (*config.Snapshot, error) { return config.LoadProfile(p, f.lookup) },
		Version:    buildinfo.Version(), Commit: buildinfo.Commit(), Drain: p.Drain, Log: log, TLS: encrypted, Local: local,
		Ready: func() {
			for _, l := range f.listeners {
				log.Info("gateway ready", "url", snap.Config.Gateway.TLS.Scheme()+"://"+l.Addr().String(), "profile", p.Name, "pid", os.Getpid())
			}
		},
	})
	if err != nil {
		return err
	}
	return g.Serve(ctx)
}

// gatewayPort applies the order of a gateway typed by a person: flag,
// environment, config, the profile's base. What it finds may not lie in the
// block of another profile.
func (a *app) gatewayPort(c *cli.Command, p profiles.Profile, r *profiles.Registry, configured int) (int, error) {
	port, source := p.Port, "the profile's base"
	if configured != 0 {
		port, source = configured, "gateway.port of "+p.ConfigPath
	}
	for _, s := range []struct {
		name, value string
	}{{"CODERCLAW_GATEWAY_PORT", envValue(a.env, "CODERCLAW_GATEWAY_PORT")}, {"--port", c.String("port")}} {
		if s.value == "" && !(s.name == "--port" && c.IsSet("port")) {
			continue
		}
		n, err := profiles.ParsePort(s.value)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", s.name, err)
		}
		port, source = n, s.name
	}
	if err := a.blockIsOwn(r, p, port); err != nil {
		return 0, exitcode.With(exitcode.Busy, fmt.Errorf("%s: %w; choose another port", source, err))
	}
	return port, nil
}

func envValue(env lookupEnv, name string) string {
	v, _ := env(name)
	return v
}

// bindMode is that of the flag, else of the config.
func bindMode(c *cli.Command, cfg config.Gateway) (string, error) {
	if !c.IsSet("bind") {
		return cfg.Bind, nil
	}
	bind := c.String("bind")
	if !slices.Contains([]string{"loopback", "lan", "tailnet", "auto", "custom"}, bind) {
		return "", usageError("--bind %q is not a bind mode; use loopback, lan, tailnet, auto or custom", bind)
	}
	return bind, nil
}

// publishMode puts the flags in the place of what the config says.
func publishMode(c *cli.Command, t *config.Tailscale) error {
	if c.IsSet("tailscale") {
		t.Mode = c.String("tailscale")
		if !slices.Contains([]string{config.TailscaleOff, config.TailscaleServe, config.TailscaleFunnel}, t.Mode) {
			return usageError("--tailscale %q is not a way to publish; use off, serve or funnel", t.Mode)
		}
	}
	t.ResetOnExit = t.ResetOnExit || c.Bool("tailscale-reset-on-exit")
	return nil
}

// gatewayAuth resolves the credential from flags, config and environment, where
// lookup finds what the environment of this command does not have.
func (a *app) gatewayAuth(c *cli.Command, cfg config.Gateway, p profiles.Profile, lookup profiles.Lookup) (auth.Settings, error) {
	if kind := c.String("auth"); c.IsSet("auth") && !slices.Contains([]string{"token", "password"}, kind) {
		return auth.Settings{}, usageError("--auth %q is not a kind of secret; use token or password", kind)
	}
	env := func(name string) (string, bool) {
		if v, ok := a.env(name); ok && v != "" {
			return v, true
		}
		return lookup(name)
	}
	return auth.Resolve(cfg, env, auth.Flags{Mode: c.String("auth"), Token: c.String("token"), Password: c.String("password"), Setup: hint(p, "setup")})
}

func (a *app) listenAll(ctx context.Context, bind, host string, port int) ([]net.Listener, error) {
	addrs, err := config.BindAddrs(bind, host, port)
	if err != nil {
		return nil, err
	}
	return a.listenAddrs(ctx, addrs)
}

// listenAddrs binds the addresses; only the first must succeed.
func (a *app) listenAddrs(ctx context.Context, addrs []netip.AddrPort) ([]net.Listener, error) {
	var out []net.Listener
	for i, addr := range addrs {
		l, err := new(net.ListenConfig).Listen(ctx, family(addr), addr.String())
		if err == nil {
			out = append(out, l)
			continue
		}
		if i > 0 {
			fmt.Fprintf(a.stderr, "coderclaw: not listening on %s as well: %v\n", addr, err)
			continue
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, exitcode.With(exitcode.Failed, config.ErrFailedToBind(addr.Addr().String(), int(addr.Port()), err))
		}
		return nil, fmt.Errorf("%w\n  held by %s\n  if that is a gateway, stop it with: coderclaw gateway stop; else end that program, or choose another --port",
			config.ErrAlreadyListening(addr.Addr().String(), int(addr.Port())), portHolder(int(addr.Port())))
	}
	return out, nil
}

// family keeps 0.0.0.0 from meaning every IPv6 address as well.
func family(addr netip.AddrPort) string {
	if addr.Addr().Unmap().Is4() {
		return "tcp4"
	}
	return "tcp6"
}

// portHolder names who listens on port, as far as this user may see.
func portHolder(port int) string {
	ls, err := proctable.Listeners(port)
	if err != nil || len(ls) == 0 {
		return "a process that cannot be seen"
	}
	return proctable.Describe(ls[0])
}

// logLevel maps a level of the config to slog; an empty one means info.
func logLevel(name string) slog.Level {
	switch name {
	case "trace", "debug":
		return slog.LevelDebug
	case "warn":
		return slog.LevelWarn
	case "error", "fatal":
		return slog.LevelError
	case "silent":
		return slog.LevelError + 100
	default:
		return slog.LevelInfo
	}
}
