package auth

import (
	"crypto/rand"
	"encoding/base64"
)

// RandomToken is 32 random bytes in base64url: a new token for a device or a node.
func RandomToken() string {
	var raw [32]byte
	rand.Read(raw[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(raw[:])
}
