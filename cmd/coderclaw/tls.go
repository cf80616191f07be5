package main

import (
	"crypto/tls"
	"fmt"
	"time"

	"github.com/coderclaw/coderclaw/gateway/certificate"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
)

// serverTLS is what the gateway of p encrypts its port with, nil when it does not.
// A certificate is made where the config lets it.
func serverTLS(snap *config.Snapshot, p profiles.Profile) (*tls.Config, error) {
	t := snap.Config.Gateway.TLS
	if !t.Enabled {
		return nil, nil
	}
	pair, err := certificate.Load(t.Files(p.StateDir), t.AutoGenerate, time.Now())
	if err != nil {
		return nil, exitcode.With(exitcode.Config, fmt.Errorf("gateway.tls: %w", err))
	}
	return certificate.Server(pair), nil
}

// pinned is the fingerprint of the certificate that p's own gateway shows, "" when
// it does not encrypt.
func pinned(t config.TLS, stateDir string) (string, error) {
	if !t.Enabled {
		return "", nil
	}
	return certificate.FingerprintOf(t.Files(stateDir).Cert)
}

// parseFingerprint reads one that a person gave; "" stays that.
func parseFingerprint(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	f, err := certificate.ParseFingerprint(text)
	if err != nil {
		return "", exitcode.With(exitcode.Usage, err)
	}
	return f, nil
}
