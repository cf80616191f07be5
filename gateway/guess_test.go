package gateway_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway"
	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/config"
)

// Whoever can make a key can come as a device. That must not free guesses at the
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
