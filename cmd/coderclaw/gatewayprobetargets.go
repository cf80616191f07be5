package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/discovery"
	"github.com/coderclaw/coderclaw/internal/sshtunnel"
	"github.com/coderclaw/coderclaw/profiles"
)

// The kinds of targets of a probe.
const (
	kindExplicit = "explicit"
	kindRemote   = "configRemote"
	kindLocal    = "localLoopback"
	kindSSH      = "sshTunnel"
)

// probePlan is what a probe is to try.
type probePlan struct {
	timeout time.Duration
	targets []probeTarget
	network probeNetwork
	ssh     *sshWay // nil when there is none, or discovery has to find it
	sshAuto bool
	given   target // what the command line says alone
	key     string // file of the key for ssh, "" for those that ssh would show
}

// probeTarget is one gateway to try.
type probeTarget struct {
	target
	kind   string // also its id: there is one of each at most
	active bool
	budget time.Duration
}

// sshWay is a gateway on the loopback of another machine.
type sshWay struct {
	to       sshtunnel.Target
	identity string
	port     int
	target   probeTarget
}

func (a *app) probePlan(c *cli.Command) (probePlan, error) {
	p, r, err := a.profile()
	if err != nil {
		return probePlan{}, err
	}
	plan := probePlan{sshAuto: c.Bool("ssh-auto")}
	if plan.timeout, err = timeoutOf(c); err != nil {
		return plan, err
	}
	snapshot, lookup, err := a.configOf(p)
	if err != nil {
		return plan, err
	}
	gw := effectiveGateway(snapshot, p, lookup)
	given := target{profile: p, config: snapshot, timeout: plan.timeout}
	if c.IsSet("url") {
		t := given
		t.url, t.source, t.token, t.password = c.String("url"), "cli --url", c.String("token"), c.String("password")
		if t.fingerprint, err = givenURL(t.url, c.String("tls-fingerprint")); err != nil {
			return plan, err
		}
		plan.add(probeTarget{t, kindExplicit, true, budgetOf(t.url)})
	} else {
		if c.IsSet("tls-fingerprint") {
			return plan, usageError("--tls-fingerprint is for --url; for the gateway of a config set gateway.remote.tlsFingerprint")
		}
		given.token, given.password = c.String("token"), c.String("password") // for whatever is found without one
	}
	plan.given = given
	remote := given
	remote.source = "config gateway.remote.url"
	remote.url = gw.Remote.URL
	remote.token, remote.password = firstOf(given.token, gw.Remote.Token), firstOf(given.password, gw.Remote.Password)
	if remote.fingerprint, err = parseFingerprint(gw.Remote.TLSFingerprint); err != nil {
		return plan, err
	}
	if remote.url != "" {
		plan.add(probeTarget{remote, kindRemote, gw.Mode == "remote", budgetOf(remote.url)})
	}
	local, err := a.localTarget(given, r, gw)
	if err != nil {
		return plan, err
	}
	plan.add(probeTarget{local, kindLocal, true, loopbackBudget})
	at, err := url.Parse(local.url)
	if err != nil {
		return plan, fmt.Errorf("address of the local gateway: %w", err)
	}
	plan.network = networkOf(at)
	return plan, a.planSSH(c, &plan, remote, gw, at.Port())
}

// stretch is a budget of the plan, never beyond its timeout.
func (p probePlan) stretch(budget time.Duration) time.Duration {
	if p.timeout > probeTimeout {
		budget = time.Duration(float64(budget) * (float64(p.timeout) / float64(probeTimeout)))
	}
	return min(budget, p.timeout)
}

// add adds a target, unless one with that address is there.
func (p *probePlan) add(t probeTarget) {
	for _, have := range p.targets {
		if have.url == t.url {
			return
		}
	}
	p.targets = append(p.targets, t)
}

// effectiveGateway is the block of the config that counts: a gateway whose config
// has become invalid runs on its last good one.
func effectiveGateway(s *config.Snapshot, p profiles.Profile, lookup func(string) (string, bool)) config.Gateway {
	if !s.Valid() {
		good := p
		good.ConfigPath = p.LastGoodFile()
		if last, err := config.LoadProfile(good, lookup); err == nil && last.Exists && last.Valid() {
			return last.Config.Gateway
		}
	}
	return s.Config.Gateway
}

func budgetOf(address string) time.Duration {
	if u, err := url.Parse(address); err == nil {
		if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsLoopback() || u.Hostname() == "localhost" {
			return loopbackBudget
		}
	}
	return otherBudget
}

func networkOf(local *url.URL) probeNetwork {
	n := probeNetwork{LocalLoopbackURL: local.Scheme + "://" + net.JoinHostPort("127.0.0.1", local.Port())}
	if port, err := strconv.Atoi(local.Port()); err == nil {
		if addrs, err := config.BindAddrs(config.BindTailnet, "", port); err == nil {
			ip, at := addrs[0].Addr().String(), local.Scheme+"://"+addrs[0].String()
			n.TailnetIPv4, n.LocalTailnetURL = &ip, &at
		}
	}
	return n
}

// planSSH decides where ssh goes: the flag, gateway.remote.sshTarget, and with
// --ssh-auto the host of gateway.remote.url; a beacon is looked for later. A URL of
// the config alone starts no ssh.
func (a *app) planSSH(c *cli.Command, plan *probePlan, remote target, gw config.Gateway, localPort string) error {
	plan.key = firstOf(c.String("ssh-identity"), gw.Remote.SSHIdentity)
	if rest, ok := strings.CutPrefix(plan.key, "~/"); ok {
		plan.key = filepath.Join(envValue(a.env, "HOME"), rest)
	}
	if plan.key != "" {
		if err := fileThere(plan.key); err != nil {
			return usageError("key for ssh: %w", err)
		}
	}
	port := localPort
	host := ""
	far := probeTarget{remote, kindSSH, true, sshBudget}
	if u, err := url.Parse(remote.url); err == nil && u.Host != "" {
		port, host = u.Port(), u.Hostname()
		if port == "" {
			port = map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
		}
	} else {
		far.url, far.fingerprint = "ws://"+net.JoinHostPort("127.0.0.1", localPort), ""
	}
	text := firstOf(c.String("ssh"), gw.Remote.SSHTarget)
	if text == "" && plan.sshAuto {
		text = host
	}
	if text == "" {
		return nil
	}
	to, err := sshtunnel.Parse(strings.TrimPrefix(text, "ssh "))
	if err != nil {
		return usageError("%w", err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return fmt.Errorf("port of the gateway behind ssh: %w", err)
	}
	far.source = "ssh " + to.String()
	plan.ssh = &sshWay{to: to, identity: plan.key, port: n, target: far}
	return nil
}

// fileThere says why a file cannot be read, nil when it can.
func fileThere(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// sshFromBeacons is the way to the first gateway that announces itself. No secret of
// the config goes there: who announces can be anybody.
func sshFromBeacons(beacons []discovery.Beacon, plan probePlan) (*sshWay, error) {
	for _, b := range beacons {
		to, err := sshtunnel.Parse(firstOf(b.TailnetDNS, b.HostName()))
		if err != nil {
			continue
		}
		to.Port = b.SSHPort
		far := probeTarget{plan.given, kindSSH, true, sshBudget}
		far.source, far.fingerprint = "ssh "+to.String(), b.Fingerprint
		scheme := map[bool]string{true: "wss", false: "ws"}[b.TLS]
		far.url = scheme + "://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(b.Port))
		return &sshWay{to: to, identity: plan.key, port: b.Port, target: far}, nil
	}
	return nil, errors.New("--ssh-auto: no gateway announces itself here, and gateway.remote.url is not set; name a host with --ssh")
}

// tryTunnel tries the gateway behind ssh. The error says why there is no tunnel.
func (a *app) tryTunnel(ctx context.Context, w sshWay, plan probePlan) (*probeResult, error) {
	opening, cancel := context.WithTimeout(ctx, plan.stretch(tunnelBudget))
	defer cancel()
	tunnel, err := sshtunnel.Open(opening, sshtunnel.Options{Target: w.to, Identity: w.identity, Port: w.port})
	if err != nil {
		return nil, err
	}
	w.target.through = tunnel.Dial
	res := a.tryTarget(ctx, w.target, plan)
	tunnel.Close()
	res.Tunnel = &probeTunnel{Kind: "ssh", Target: w.to.String(), Port: w.port}
	if said := tunnel.Said(); said != "" && !res.Connect.OK {
		text := *res.Connect.Error + ": " + said
		res.Connect.Error, res.RPC.Error = &text, text
	}
	return &res, nil
}

// closeOf is how the gateway closed the connection, if it did.
func closeOf(err error) (code int, reason string, ok bool) {
	if r, is := errors.AsType[*client.RefusedError](err); is {
		return r.Code, r.Err.Message, true
	}
	if c, is := errors.AsType[*client.CloseError](err); is {
		return c.Code, c.Reason, true
	}
	return 0, "", false
}
