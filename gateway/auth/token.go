package auth

import (
	"crypto/rand"
	"encoding/base64"
)

// randomToken is 32 random bytes in base64url.
func randomToken() string {
	var raw [32]byte
	rand.Read(raw[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(raw[:])
}
