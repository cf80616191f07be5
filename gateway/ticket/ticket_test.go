package ticket

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const here = "http://127.0.0.1:18789"

func TestRedeem(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		do   func(o *Office, text string) error
		want string // "" lets in
	}{
		{"at once", func(o *Office, text string) error { return o.Redeem(text, here) }, ""},
		{"in time", func(o *Office, text string) error { time.Sleep(life); return o.Redeem(text, here) }, ""},
		{"too late", func(o *Office, text string) error { time.Sleep(life + 1); return o.Redeem(text, here) }, "too old"},
		{"twice", func(o *Office, text string) error { _ = o.Redeem(text, here); return o.Redeem(text, here) }, "used already"},
		{"twice, late", func(o *Office, text string) error {
			_ = o.Redeem(text, here)
			time.Sleep(2 * life)
			return o.Redeem(text, here)
		}, "used already"},
		{"another origin", func(o *Office, text string) error { return o.Redeem(text, "http://localhost:18789") }, "was made for " + here + ", and this page is at http://localhost:18789"},
		{"another origin leaves it good", func(o *Office, text string) error {
			_ = o.Redeem(text, "http://localhost:18789")
			return o.Redeem(text, here)
		}, ""},
		{"another profile", func(_ *Office, text string) error { return NewOffice("rescue", time.Now).Redeem(text, here) }, `profile "dev", and this is the gateway of profile "rescue"`},
		{"another gateway of the profile", func(_ *Office, text string) error { return NewOffice("dev", time.Now).Redeem(text, here) }, "not known"},
		{"changed", func(o *Office, text string) error { return o.Redeem(text+"A", here) }, "not known"},
		{"nothing", func(o *Office, _ string) error { return o.Redeem("", here) }, "not known"},
		{"forgotten", func(o *Office, text string) error {
			time.Sleep(life + remembered + 1)
			o.Issue(here)
			return o.Redeem(text, here)
		}, "not known"},
		{"many later ones", func(o *Office, text string) error {
			for range kept {
				time.Sleep(time.Millisecond)
				o.Issue(here)
			}
			return o.Redeem(text, here)
		}, "not known"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := NewOffice("dev", time.Now)
				text, expires := o.Issue(here)
				if !expires.Equal(time.Now().Add(60*time.Second)) || len(text) != len("dev.")+43 {
					t.Errorf("issued %q until %s", text, expires)
				}
				err := tc.do(o, text)
				if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got %v, want %q", err, tc.want)
				}
				if len(o.tickets) > kept {
					t.Errorf("%d are kept", len(o.tickets))
				}
			})
		})
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := NewOffice("dev", time.Now)
		text, _ := o.Issue(here)
		time.Sleep(20 * time.Second)
		used, left, ok := o.watch(text)
		if !ok || left != 40*time.Second {
			t.Fatalf("left %s, %t", left, ok)
		}
		go func() { _ = o.Redeem(text, here) }()
		<-used
		if _, _, ok := o.watch("dev.x"); ok {
			t.Error("a ticket that was never issued is known")
		}
	})
}
