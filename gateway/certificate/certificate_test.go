package certificate_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway/certificate"
)

// TestMade: a pair is made once, privately, and is the same the next time.
func TestMade(t *testing.T) {
	t.Parallel()
	f := certificate.InStateDir(t.TempDir())
	if _, err := certificate.Load(f, false, time.Now()); err == nil {
		t.Error("a pair that nobody made")
	}
	first, err := certificate.Load(f, true, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	again, err := certificate.Load(f, true, time.Now())
	if err != nil || certificate.Fingerprint(first.Certificate[0]) != certificate.Fingerprint(again.Certificate[0]) {
		t.Errorf("another pair, %v", err)
	}
	print, err := certificate.FingerprintOf(f.Cert)
	if err != nil || print != certificate.Fingerprint(first.Certificate[0]) {
		t.Errorf("fingerprint %s, %v", print, err)
	}
	if info, err := os.Stat(f.Key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key: %v, %v", info.Mode(), err)
	}
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := first.Leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := certificate.Load(f, true, time.Now().AddDate(21, 0, 0)); err == nil || !strings.Contains(err.Error(), "valid until") {
		t.Errorf("after twenty years: %v", err)
	}
}

// TestHalfAPairIsKept: what a person has put there is never written over.
func TestHalfAPairIsKept(t *testing.T) {
	t.Parallel()
	for _, broken := range []string{"cert", "key", "text"} {
		f := certificate.InStateDir(t.TempDir())
		if _, err := certificate.Load(f, true, time.Now()); err != nil {
			t.Fatal(err)
		}
		var err error
		switch broken {
		case "cert":
			err = os.Remove(f.Cert)
		case "key":
			err = os.Remove(f.Key)
		case "text":
			err = os.WriteFile(f.Cert, []byte("nothing"), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		before := list(t, filepath.Dir(f.Cert))
		if _, err := certificate.Load(f, true, time.Now()); err == nil || !strings.Contains(err.Error(), f.Cert) {
			t.Errorf("%s: %v", broken, err)
		}
		if after := list(t, filepath.Dir(f.Cert)); after != before {
			t.Errorf("%s: %s became %s", broken, before, after)
		}
	}
}

func list(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(e.Name() + "\n" + string(text))
	}
	return b.String()
}

// TestPinning: a client that insists on a fingerprint talks to that certificate and to no other.
func TestPinning(t *testing.T) {
	t.Parallel()
	pair, err := certificate.Load(certificate.InStateDir(t.TempDir()), true, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", certificate.Server(pair))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, c); c.Close() }()
		}
	}()
	dial := func(fingerprint string) error {
		raw, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		cfg := certificate.Client(fingerprint)
		cfg.ServerName = "127.0.0.1"
		c := tls.Client(raw, cfg)
		defer c.Close()
		return c.HandshakeContext(t.Context())
	}
	right := certificate.Fingerprint(pair.Certificate[0])
	if err := dial(right); err != nil {
		t.Errorf("the right one: %v", err)
	}
	mismatch, ok := errors.AsType[*certificate.MismatchError](dial(strings.Repeat("0", 64)))
	if !ok || mismatch.Got != right {
		t.Errorf("another one: %+v", mismatch)
	}
	if err := dial(""); err == nil {
		t.Error("this machine trusts a certificate that nobody has signed")
	}
}

func TestParseFingerprint(t *testing.T) {
	t.Parallel()
	plain := strings.Repeat("ab", 32)
	for _, text := range []string{plain, strings.ToUpper(plain), "sha256:" + plain, "SHA256:" + strings.TrimSuffix(strings.Repeat("AB:", 32), ":"), " " + plain + "\n"} {
		if got, err := certificate.ParseFingerprint(text); err != nil || got != plain {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "ab", plain + "00", strings.Repeat("xy", 32)} {
		if got, err := certificate.ParseFingerprint(text); err == nil {
			t.Errorf("%q: %q", text, got)
		}
	}
}
