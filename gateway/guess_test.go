package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway"
	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/config"
)

// TestGuessesWithADeviceAreLimited: whoever can make a key can come as a device. That must not free guesses at the
// shared secret of the limit.
func TestGuessesWithADeviceAreLimited(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"token", "password"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			r := startWith(t, func(o *gateway.Options) {
				o.Auth.Mode, o.Auth.Token, o.Auth.Password = mode, secret, secret
				o.Auth.RateLimit = &config.RateLimit{MaxAttempts: 3, Window: time.Hour, Lockout: time.Hour}
			})
			try := func(s string) error {
				o := client.Options{Token: s, Identity: identity(t)}
				if mode == "password" {
					o.Token, o.Password = "some token", s
				}
				_, err := r.dial(t, o)
				return err
			}
			if err := try(secret); err != nil {
				t.Fatalf("the right secret: %v", err)
			}
			for range 3 {
				if try("wrong") == nil {
					t.Fatal("a wrong secret let a client in")
				}
			}
			if err := try(secret); err == nil || !strings.Contains(err.Error(), "too many failed") {
				t.Errorf("after three wrong guesses the right one: %v", err)
			}
		})
	}
}

// TestGuessesWithABadDeviceTellNothing: a device that is none must not tell by the count of failures whether the secret beside
// it was right: such guesses would be free.
func TestGuessesWithABadDeviceTellNothing(t *testing.T) {
	t.Parallel()
	r := startWith(t, func(o *gateway.Options) {
		o.Auth.Mode, o.Auth.Token, o.Auth.Password = "password", "", secret
		o.Auth.RateLimit = &config.RateLimit{MaxAttempts: 3, Window: time.Hour, Lockout: time.Hour}
	})
	try := func(o client.Options) string {
		_, err := r.dial(t, o)
		return text(err)
	}
	for range 2 {
		try(client.Options{Password: "wrong"})
	}
	w := r.open(t, nil)
	p := with(plain(), object{"auth": object{"token": "some token", "password": secret}})
	p = newKey(t).sign(p, time.Now(), w.nonce)
	p["device"].(object)["signature"] = "AAAA"
	if res := w.ask("c", "connect", p); res.OK || res.Error.Message != "device signature invalid" {
		t.Fatalf("%+v", res)
	}
	try(client.Options{Password: "wrong"})
	if got := try(client.Options{Password: secret}); !strings.Contains(got, "too many failed") {
		t.Errorf("after three wrong guesses the right one: %s", got)
	}
}

// TestGuessesBetweenSuccessesAreLimited: a device that may do little is not to have its guesses at the shared secret forgiven
// for its own token.
func TestGuessesBetweenSuccessesAreLimited(t *testing.T) {
	t.Parallel()
	r := startWith(t, func(o *gateway.Options) {
		o.Auth.RateLimit = &config.RateLimit{MaxAttempts: 3, Window: time.Hour, Lockout: time.Hour}
	})
	id := identity(t)
	weak := client.Options{Token: secret, Identity: id, Scopes: []string{"operator.read"}}
	c, err := r.dial(t, weak)
	if err != nil {
		t.Fatal(err)
	}
	own := c.Hello().Auth.DeviceToken
	for range 3 {
		weak.Token = own
		if _, err := r.dial(t, weak); err != nil {
			t.Fatalf("with its token: %v", err)
		}
		weak.Token = "a guess"
		if _, err := r.dial(t, weak); !strings.Contains(text(err), "device token mismatch") {
			t.Fatalf("a guess: %v", err)
		}
	}
	weak.Token = secret
	if _, err := r.dial(t, weak); !strings.Contains(text(err), "too many failed") {
		t.Errorf("after three wrong guesses the right one: %v", err)
	}
}
