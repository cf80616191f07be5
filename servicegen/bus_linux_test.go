package servicegen

import (
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/google/go-cmp/cmp"
)

// The manager of a user is found whatever the way in left in the environment.
func TestBusesOfAUser(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	uid := os.Geteuid()
	usual := filepath.Join(root, strconv.Itoa(uid))
	account, err := user.LookupId(strconv.Itoa(uid)) // whose home HOME need not be
	if err != nil {
		t.Fatal(err)
	}
	home := account.HomeDir
	for name, tc := range map[string]struct {
		uid     int
		env     Lookup
		want    []string
		skipped string
	}{
		"cron":            {uid, lookup("HOME", home), []string{usual}, ""},
		"login":           {uid, lookup("HOME", home, "XDG_RUNTIME_DIR", usual), []string{usual}, ""},
		"trailing slash":  {uid, lookup("HOME", home, "XDG_RUNTIME_DIR", usual+"/"), []string{usual}, ""},
		"relative":        {uid, lookup("HOME", home, "XDG_RUNTIME_DIR", "run"), []string{usual}, ""},
		"WSLg":            {uid, lookup("HOME", home, "XDG_RUNTIME_DIR", root), []string{root, usual}, ""},
		"gone":            {uid, lookup("HOME", home, "XDG_RUNTIME_DIR", root+"/none"), []string{root + "/none", usual}, ""},
		"su":              {uid + 1, lookup("XDG_RUNTIME_DIR", root), []string{filepath.Join(root, strconv.Itoa(uid+1))}, "belongs to user id"},
		"session bus":     {uid, lookup("HOME", home, "DBUS_SESSION_BUS_ADDRESS", "unix:path=/elsewhere"), []string{usual}, ""},
		"another home":    {uid, lookup("HOME", root), nil, ""},
		"another, named":  {uid, lookup("HOME", root, "XDG_RUNTIME_DIR", usual), []string{usual}, ""},
		"unknown account": {1 << 30, lookup("HOME", root), []string{filepath.Join(root, "1073741824")}, ""},
	} {
		places, skipped := HostOptions{UID: tc.uid, Env: tc.env, RuntimeRoot: root}.filled().buses()
		var got []string
		for _, p := range places {
			got = append(got, strings.TrimSuffix(strings.TrimPrefix(p.bus, "unix:path="), "/bus"))
		}
		var want []string
		for _, dir := range tc.want {
			want = append(want, string(dbus.EscapeBusAddressValue(filepath.Clean(dir))))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if (skipped != nil) != (tc.skipped != "") || (skipped != nil && !strings.Contains(skipped.Error(), tc.skipped)) {
			t.Errorf("%s: skipped %v, want %q", name, skipped, tc.skipped)
		}
	}
}

// A desktop or an ssh session may have a bus without the manager on it.
func TestBusWithoutManager(t *testing.T) {
	t.Parallel()
	address := startBus(t)
	dir := filepath.Dir(strings.TrimPrefix(address, "unix:path="))
	h := NewSystemd(HostOptions{UID: os.Geteuid(), Env: lookup("XDG_RUNTIME_DIR", dir), RuntimeRoot: dir})
	_, err := h.State(t.Context(), Unit{Name: "x.service"})
	if err == nil || !strings.Contains(err.Error(), "has no systemd on it") {
		t.Errorf("got %v", err)
	}
}

type gone struct{ after *int }

func (g gone) Connected() bool {
	*g.after--
	return *g.after >= 0
}

// A job may take down the bus on which its end would be told.
func TestJobWhoseBusGoesAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		looks := 3
		_, err := await(t.Context(), gone{&looks}, nil)
		if err == nil || !strings.Contains(err.Error(), "went away") || looks != -1 {
			t.Errorf("got %v after %d looks", err, looks)
		}
		looks = 3
		done := make(chan string, 1)
		done <- jobDone
		if result, err := await(t.Context(), gone{&looks}, done); err != nil || result != jobDone {
			t.Errorf("got %q, %v", result, err)
		}
	})
}

// A bus that takes connections and says nothing is given up.
func TestSilentBus(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", path) // nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = dialWithin(t.Context(), 10*time.Millisecond, "unix:path="+path, true)
	if err == nil || !strings.Contains(err.Error(), "did not let us in within 10ms") {
		t.Errorf("got %v", err)
	}
}
