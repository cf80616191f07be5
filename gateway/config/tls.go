package config

import (
	"fmt"
	"time"

	"github.com/coderclaw/coderclaw/gateway/certificate"
	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// Files says where the certificate of a gateway with that state dir lies.
func (t TLS) Files(stateDir string) certificate.Files {
	if t.CertPath == "" || t.KeyPath == "" {
		return certificate.InStateDir(stateDir)
	}
	return certificate.Files{Cert: t.CertPath, Key: t.KeyPath}
}

// Scheme is that of the gateway's address, ws or wss.
func (t TLS) Scheme() string {
	if t.Enabled {
		return "wss"
	}
	return "ws"
}

// TLSGate is nil when a gateway with that state dir would have a certificate to
// serve with; else the reason, marked exitcode.Config. It makes none.
func (s *Snapshot) TLSGate(stateDir string) error {
	t := s.Config.Gateway.TLS
	if !t.Enabled {
		return nil
	}
	if err := certificate.Check(t.Files(stateDir), t.AutoGenerate, time.Now()); err != nil {
		return exitcode.With(exitcode.Config, fmt.Errorf("config %s: gateway.tls: %w", s.Path, err))
	}
	return nil
}

// checkFingerprint refuses what no certificate can have.
func checkFingerprint(n *node) (string, string) {
	if n.text == "" {
		return "", ""
	}
	if _, err := certificate.ParseFingerprint(n.text); err != nil {
		return err.Error(), "copy it from: coderclaw gateway status"
	}
	return "", ""
}

// checkTLSFiles wants both files named, or none.
func checkTLSFiles(n *node) (string, string) {
	cert, key := reader{n}.text("certPath", ""), reader{n}.text("keyPath", "")
	if (cert == "") != (key == "") {
		return "certPath and keyPath belong together", "give both, or neither"
	}
	return "", ""
}
