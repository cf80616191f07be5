package runas

import (
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"root", "0"} {
		a, err := Lookup(t.Context(), who)
		if err != nil || a.Name != "root" || !a.Root() || a.Home == "" || len(a.Groups) == 0 {
			t.Errorf("%s: got %+v, %v", who, a, err)
		}
	}
	for _, who := range []string{"no-such-user-here", "", "-h"} {
		if a, err := Lookup(t.Context(), who); err == nil || !strings.Contains(err.Error(), "there is no user") {
			t.Errorf("%q: got %+v, %v", who, a, err)
		}
	}
}

func TestParsePasswd(t *testing.T) {
	t.Parallel()
	u, err := parsePasswd("ann:x:7001:7002:Ann,,,:/home/ann:/bin/sh\n")
	if err != nil || u.Username != "ann" || u.Uid != "7001" || u.Gid != "7002" || u.HomeDir != "/home/ann" {
		t.Errorf("got %+v, %v", u, err)
	}
	for _, line := range []string{"", "ann", ":x:1:1::/:/", "a:b:c:d:e:f:g:h"} {
		if u, err := parsePasswd(line); err == nil {
			t.Errorf("%q: got %+v", line, u)
		}
	}
}

func TestSwitchThatDoesNothing(t *testing.T) {
	t.Parallel()
	s, err := NewSwitch(Account{Name: "root"})
	if err != nil {
		t.Fatal(err)
	}
	did := 0
	err = s.AsUser(func() error { did++; return s.AsRoot(func() error { did++; return nil }) })
	if err != nil || did != 2 {
		t.Errorf("did %d, %v", did, err)
	}
}
