package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/coderclaw/coderclaw/gateway/certificate"
	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/internal/buildinfo"
)

// probes are the questions by which a supervisor watches a gateway of that
// config: a request on the control plane, which only a gateway that is alive
// answers, and /readyz, which says whether it wants clients.
func probes(check config.Check, stateDir string, lookup func(string) (string, bool)) (live, serving func(context.Context) error) {
	if len(check.Addrs) == 0 {
		return nil, nil
	}
	addr := check.Addrs[0]
	host := addr.Addr().String()
	if addr.Addr().IsUnspecified() {
		host = "127.0.0.1"
	}
	at := net.JoinHostPort(host, fmt.Sprint(addr.Port()))
	gw := check.Snapshot.Config.Gateway
	auth := gw.Auth
	fromEnv, _ := lookup(config.EnvToken)
	password, _ := lookup(config.EnvPassword)
	var token atomic.Value // what worked last
	token.Store(firstOf(auth.Token, fromEnv))
	return func(ctx context.Context) error {
			fingerprint, err := pinned(gw.TLS, stateDir) // at each question: the gateway makes its certificate when it first starts
			if err != nil {
				return err
			}
			o := client.Options{URL: gw.TLS.Scheme() + "://" + at, Token: token.Load().(string), Password: firstOf(auth.Password, password),
				Fingerprint: fingerprint, ClientID: "cli", Mode: "probe", Version: buildinfo.Version()}
			accepted, err := answers(ctx, o)
			if err == nil && !accepted { // the token may have been rotated since; failures that go on could lock this machine out
				if s, loadErr := config.Load(check.Snapshot.Path, lookup); loadErr == nil && s.Config.Gateway.Auth.Token != "" {
					token.Store(s.Config.Gateway.Auth.Token)
				}
			}
			return err
		}, func(ctx context.Context) error {
			fingerprint, err := pinned(gw.TLS, stateDir)
			if err != nil {
				return err
			}
			if gw.TLS.Enabled {
				return serves(ctx, "https://"+at+"/readyz", fingerprint)
			}
			return serves(ctx, "http://"+at+"/readyz", "")
		}
}

// answers tells whether the gateway carries out a request. It is asked without a
// device, which leaves nothing behind, so what it answers may be that this is not allowed.
func answers(ctx context.Context, o client.Options) (accepted bool, err error) {
	c, err := client.Dial(ctx, o)
	if _, refused := errors.AsType[*client.RefusedError](err); refused {
		return false, nil // it has changed its credential since; that it says so is an answer
	}
	if err != nil {
		return false, err
	}
	err = c.Call(ctx, "health", nil, nil)
	if _, answered := errors.AsType[*protocol.Error](err); answered {
		err = nil
	}
	return true, errors.Join(err, c.Close())
}

// serves tells whether the gateway wants clients.
func serves(ctx context.Context, url, fingerprint string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: certificate.Client(fingerprint)}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	return nil
}
