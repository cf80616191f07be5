package protocol

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"strconv"
	"strings"
)

// DevicePayload is the text that a device signs: version 2 when it was given a
// nonce to prove that the signature is fresh, else version 1. Scopes keep the
// order in which they are asked for; token is auth.token as sent, "" if none.
func DevicePayload(deviceID, clientID, clientMode, role string, scopes []string, signedAtMs int64, token, nonce string) string {
	fields := []string{"v1", deviceID, clientID, clientMode, role, strings.Join(scopes, ","), strconv.FormatInt(signedAtMs, 10), token}
	if nonce != "" {
		fields[0] = "v2"
		fields = append(fields, nonce)
	}
	return strings.Join(fields, "|")
}

var errPublicKey = errors.New("device public key invalid")

// ParsePublicKey reads an Ed25519 public key: 32 bytes in base64 of either
// alphabet, padded or not, or a PEM block.
func ParsePublicKey(text string) (ed25519.PublicKey, error) {
	if strings.Contains(text, "BEGIN") {
		block, _ := pem.Decode([]byte(text))
		if block == nil {
			return nil, errPublicKey
		}
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, errPublicKey
		}
		pub, ok := key.(ed25519.PublicKey)
		if !ok {
			return nil, errPublicKey
		}
		return pub, nil
	}
	raw, err := decodeBase64(text)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return nil, errPublicKey
	}
	return raw, nil
}

// FormatPublicKey is the form in which keys are stored and sent.
func FormatPublicKey(key ed25519.PublicKey) string { return base64.RawURLEncoding.EncodeToString(key) }

// DeviceID is the name of the device with that key: its SHA-256 in hex.
func DeviceID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}

// Sign signs a payload for the wire.
func Sign(key ed25519.PrivateKey, payload string) string {
	return base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(payload)))
}

// Verify tells whether signature, as sent, is that of payload.
func Verify(key ed25519.PublicKey, payload, signature string) bool {
	sig, err := decodeBase64(signature)
	return err == nil && ed25519.Verify(key, []byte(payload), sig)
}

func decodeBase64(text string) ([]byte, error) {
	text = strings.TrimRight(strings.TrimSpace(text), "=")
	if strings.ContainsAny(text, "+/") {
		text = strings.NewReplacer("+", "-", "/", "_").Replace(text)
	}
	return base64.RawURLEncoding.DecodeString(text)
}
