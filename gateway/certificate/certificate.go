// Package certificate owns the certificate with which a gateway encrypts its port:
// where it lies, how one is made where there is none, and the fingerprint by which
// a client knows it again. It serves nobody and dials nobody.
package certificate

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/internal/atomicfile"
)

// Files says where certificate and key lie.
type Files struct{ Cert, Key string }

// InStateDir is where a gateway keeps the certificate that it has made itself.
func InStateDir(dir string) Files {
	dir = filepath.Join(dir, "gateway", "tls")
	return Files{filepath.Join(dir, "gateway-cert.pem"), filepath.Join(dir, "gateway-key.pem")}
}

// lifetime is how long a certificate that was made here is valid. Nobody looks after
// a gateway for years, and clients know it by its fingerprint, which a new one would change.
const lifetime = 20 * 365 * 24 * time.Hour

// Load reads the pair. With make, and when neither file is there, one is made for
// this host first. Half a pair is an error, and nothing is written over.
func Load(f Files, make bool, now time.Time) (tls.Certificate, error) {
	if make && f.missing() {
		if err := create(f, now); err != nil {
			return tls.Certificate{}, fmt.Errorf("make a certificate: %w", err)
		}
	}
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		return pair, fmt.Errorf("certificate %s with key %s: %w", f.Cert, f.Key, err)
	}
	if leaf := pair.Leaf; now.After(leaf.NotAfter) {
		return pair, fmt.Errorf("certificate %s: it was valid until %s; renew it, or remove it and its key to have one made where gateway.tls.autoGenerate is on",
			f.Cert, leaf.NotAfter.Format(time.DateOnly))
	}
	return pair, nil
}

// Check tells what Load would fail with. It makes nothing.
func Check(f Files, make bool, now time.Time) error {
	if make && f.missing() {
		return nil
	}
	_, err := Load(f, false, now)
	return err
}

// missing tells whether neither file is there.
func (f Files) missing() bool {
	for _, path := range []string{f.Cert, f.Key} {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	return true
}

// create writes a new pair, the key first: a certificate alone would count as half a pair.
func create(f Files, now time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "coderclaw gateway"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(lifetime), // clocks differ
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if host, err := os.Hostname(); err == nil && host != "" && host != "localhost" {
		template.DNSNames = append(template.DNSNames, host)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for _, dir := range []string{filepath.Dir(f.Key), filepath.Dir(f.Cert)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if err := atomicfile.WriteFile(f.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600); err != nil {
		return err
	}
	if err := atomicfile.WriteFile(f.Cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		return errors.Join(err, os.Remove(f.Key))
	}
	return nil
}

// Server is what a listener needs to serve with the pair. HTTP/2 is left out: it
// has no WebSocket that clients use.
func Server(pair tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
}

// Fingerprint is the SHA-256 of the certificate, in lower-case hex.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// FingerprintOf reads the certificate of a file, which is public.
func FingerprintOf(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("certificate: %w", err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return Fingerprint(block.Bytes), nil
		}
	}
	return "", fmt.Errorf("certificate %s: there is none in it", path)
}

// ParseFingerprint reads a fingerprint as people write it: hex, with or without
// colons, capitals and "sha256:" in front.
func ParseFingerprint(text string) (string, error) {
	plain := strings.ToLower(strings.TrimSpace(text))
	plain = strings.ReplaceAll(strings.TrimPrefix(plain, "sha256:"), ":", "")
	if raw, err := hex.DecodeString(plain); err != nil || len(raw) != sha256.Size {
		return "", fmt.Errorf("%q is no SHA-256 fingerprint of a certificate: want 64 hex digits", text)
	}
	return plain, nil
}

// MismatchError says that a server showed another certificate than the client insists on.
type MismatchError struct{ Want, Got string }

func (e *MismatchError) Error() string {
	return fmt.Sprintf("the certificate's fingerprint is %s, not %s; if the gateway's certificate was replaced, insist on the new one, else somebody stands between", e.Got, e.Want)
}

// Client is what a client needs that insists on a fingerprint, or, where it is "",
// on a certificate that this machine trusts.
func Client(fingerprint string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if fingerprint == "" {
		return c
	}
	want := []byte(fingerprint)
	c.InsecureSkipVerify = true // the fingerprint says more than name and issuer
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("the server showed no certificate")
		}
		if got := Fingerprint(s.PeerCertificates[0].Raw); !bytes.Equal([]byte(got), want) {
			return &MismatchError{Want: fingerprint, Got: got}
		}
		return nil
	}
	return c
}
