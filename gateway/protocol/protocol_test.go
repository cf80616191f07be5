package protocol_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// TestSignatures holds the payloads against signatures that clients of the family made.
func TestSignatures(t *testing.T) {
	t.Parallel()
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = byte(i)
	}
	key := ed25519.NewKeyFromSeed(seed)
	pub := key.Public().(ed25519.PublicKey)
	if got := protocol.FormatPublicKey(pub); got != "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg" {
		t.Errorf("public key %s", got)
	}
	id := protocol.DeviceID(pub)
	if id != "56475aa75463474c0285df5dbf2bcab73da651358839e9b77481b2eab107708c" {
		t.Errorf("id %s", id)
	}
	scopes := []string{"operator.admin", "operator.approvals", "operator.pairing"}
	for nonce, want := range map[string]string{
		"":    "_Rb2gfdjr451m8Qp39qxhvjfBxB8hEqGZvcKHHyXlJOX3UYLqEHcSD_ingBJOPo6Og_tLk18_-M6txOfBFL1Dw",
		"n-1": "cyC3i-d_pmGj6HJHKS1sHmvTt8LPl-kRZXQR6kUa7rAr9I7mX_YsJCdqaQaMWEVmmvor6R4Mkf63PlM0GLgnAg",
	} {
		payload := protocol.DevicePayload(id, "cli", "cli", "operator", scopes, 1700000000000, "tok", nonce)
		if got := protocol.Sign(key, payload); got != want {
			t.Errorf("nonce %q: signature %s", nonce, got)
		}
		if !protocol.Verify(pub, payload, want) || protocol.Verify(pub, payload+"x", want) || protocol.Verify(pub, payload, "!") {
			t.Errorf("nonce %q: verification is wrong", nonce)
		}
	}
}

func TestParsePublicKey(t *testing.T) {
	t.Parallel()
	pub, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		base64.StdEncoding.EncodeToString(pub), base64.RawStdEncoding.EncodeToString(pub),
		base64.URLEncoding.EncodeToString(pub), base64.RawURLEncoding.EncodeToString(pub),
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
	} {
		if got, err := protocol.ParsePublicKey(text); err != nil || !got.Equal(pub) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "AAAA", "BEGIN", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"} {
		if _, err := protocol.ParsePublicKey(text); err == nil {
			t.Errorf("%q is taken for a key", text)
		}
	}
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add("A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg")
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := protocol.ParsePublicKey(text); err == nil && len(key) != ed25519.PublicKeySize {
			t.Errorf("a key of %d bytes", len(key))
		}
	})
}

func FuzzReason(f *testing.F) {
	f.Add(strings.Repeat("é", 80))
	f.Fuzz(func(t *testing.T, text string) {
		got := protocol.Reason(text)
		if len(got) > protocol.MaxReason || !strings.HasPrefix(text, got) || utf8.ValidString(text) && !utf8.ValidString(got) {
			t.Errorf("cut to %q", got)
		}
	})
}
