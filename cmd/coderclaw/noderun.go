package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lmittmann/tint"
	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/execpolicy"
	"github.com/coderclaw/coderclaw/gateway/nodehost"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/internal/buildinfo"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
)

func (a *app) nodeCommand() *cli.Command {
	return &cli.Command{
		Name:  "node",
		Usage: "this machine as a node of a gateway",
		Commands: []*cli.Command{{
			Name:  "run",
			Usage: "connect to a gateway and run the commands that it sends, as far as " + execpolicy.FileName + " of the profile allows; until Ctrl-C",
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "host", Usage: "the gateway's `HOST`", Value: "127.0.0.1"},
				&cli.StringFlag{Name: "port", Usage: "the gateway's `PORT` (default: that of the profile's own gateway)"},
				&cli.BoolFlag{Name: "tls", Usage: "encrypt the connection"},
				&cli.StringFlag{Name: "tls-fingerprint", Usage: "insist on the certificate with this `SHA256`; implies --tls"},
				&cli.StringFlag{Name: "node-id", Usage: "`ID` to be listed under in the gateway's presence"},
				&cli.StringFlag{Name: "display-name", Usage: "`NAME` to be listed under (default: the host name)"},
			},
			Action: a.nodeRun,
		}},
	}
}

func (a *app) nodeRun(ctx context.Context, c *cli.Command) error {
	p, r, err := a.profile()
	if err != nil {
		return err
	}
	o, err := a.nodeClient(c, p, r)
	if err != nil {
		return err
	}
	log := slog.New(tint.NewTextHandler(a.stderr, &tint.Options{Level: slog.LevelInfo, TimeFormat: time.TimeOnly, NoColor: !a.colour()}))
	host := nodehost.New(nodehost.Options{Client: o, Policy: execpolicy.In(p.StateDir), Environ: os.Environ(), Log: log,
		PairHint: func(id string) string { return "coderclaw nodes approve " + id }})
	log.Info("this node is " + o.Identity.ID())
	err = host.Serve(ctx)
	switch {
	case errors.Is(err, nodehost.ErrRefused):
		return exitcode.With(exitcode.Auth, fmt.Errorf("%w\nFix: set %s, or gateway.remote.token in %s", err, config.EnvToken, p.ConfigPath))
	case ctx.Err() != nil:
		return nil
	}
	return err
}

// nodeClient says whom the node connects to, and as what. What the gateway hands the
// node is kept apart for each gateway, so that none is shown what another gave.
func (a *app) nodeClient(c *cli.Command, p profiles.Profile, r *profiles.Registry) (client.Options, error) {
	none := client.Options{}
	snap, _, err := a.configOf(p)
	if err != nil {
		return none, err
	}
	gw := snap.Config.Gateway
	host := c.String("host")
	own := !c.IsSet("host") || isLoopback(host)
	port, err := a.localPort(p, r, gw.Port)
	if c.IsSet("port") {
		var wanted int
		if wanted, err = profiles.ParsePort(c.String("port")); err != nil {
			return none, usageError("--port: %w", err)
		}
		own = own && wanted == port
		port = wanted
	}
	if err != nil {
		return none, err
	}
	fingerprint, err := parseFingerprint(c.String("tls-fingerprint"))
	if err != nil {
		return none, err
	}
	scheme := "ws"
	if c.Bool("tls") || fingerprint != "" {
		scheme = "wss"
	}
	o := client.Options{Token: envValue(a.env, config.EnvToken), Password: envValue(a.env, config.EnvPassword), ClientID: "node-host", Version: buildinfo.Version(),
		InstanceID: c.String("node-id"), DisplayName: c.String("display-name")}
	switch {
	case own && gw.Mode != "remote":
		o.Token, o.Password = firstOf(o.Token, gw.Auth.Token), firstOf(o.Password, gw.Auth.Password)
		if gw.TLS.Enabled && fingerprint == "" {
			scheme = "wss"
			if fingerprint, err = pinned(gw.TLS, p.StateDir); err != nil {
				return none, err
			}
		}
	case gw.Mode == "remote" && sameHost(gw.Remote.URL, host, port):
		o.Token, o.Password = firstOf(o.Token, gw.Remote.Token), firstOf(o.Password, gw.Remote.Password)
		if fingerprint == "" {
			if fingerprint, err = parseFingerprint(gw.Remote.TLSFingerprint); err != nil {
				return none, err
			}
		}
		if fingerprint != "" || strings.HasPrefix(gw.Remote.URL, "wss:") {
			scheme = "wss"
		}
	}
	at := net.JoinHostPort(host, strconv.Itoa(port))
	o.URL, o.Fingerprint = scheme+"://"+at, fingerprint
	if o.DisplayName == "" {
		o.DisplayName, _ = os.Hostname() // without one it goes by its id
	}
	dir := filepath.Join(p.StateDir, "node", fileSafe(at))
	if o.Token == "" && o.Password == "" {
		if known, err := client.PeekIdentity(dir); err != nil || known.Token(protocol.RoleNode) == "" {
			return none, exitcode.With(exitcode.Auth, fmt.Errorf("no credential for the gateway at %s\nFix: set %s, or gateway.remote.url and gateway.remote.token in %s", at, config.EnvToken, p.ConfigPath))
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return none, err
	}
	o.Identity, err = client.LoadIdentity(dir)
	return o, err
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// sameHost tells whether a URL of a config means this gateway, whose secrets it may be shown.
func sameHost(url, host string, port int) bool {
	_, rest, _ := strings.Cut(url, "://")
	rest, _, _ = strings.Cut(rest, "/")
	return rest == net.JoinHostPort(host, strconv.Itoa(port))
}

// fileSafe makes a host and port the name of a directory on every system.
func fileSafe(at string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '_'
	}, strings.ToLower(at))
}
