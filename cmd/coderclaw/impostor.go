package main

import (
	"fmt"
	"net/url"
	"os"
	"strconv"

	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// impostor is the error of a local target whose gateway does not run while another
// user of this machine listens at its port: to connect would hand the credential to
// whoever that is. It is nil where the holder may read the config anyway, where he is
// not to be seen, and for everything that is not local.
func (t target) impostor() error {
	if !t.local() || t.through != nil {
		return nil
	}
	if _, alive := statelock.Find(t.profile); alive {
		return nil
	}
	u, err := url.Parse(t.url)
	if err != nil {
		return nil // the dial says so
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return nil
	}
	listeners, err := proctable.Listeners(port)
	if err != nil {
		return nil // what cannot be seen is not held against anybody
	}
	for _, l := range listeners {
		if !t.trusts(l.UID) {
			return exitcode.With(exitcode.Busy, fmt.Errorf("port %d is held by %s, and the gateway of %s does not run: no credential is sent there",
				port, proctable.Describe(l), nameForPeople(t.profile)))
		}
	}
	return nil
}

// trusts tells whether a process of uid can read the credential in any case: root's,
// our own, and that of whom the config or the state dir belongs to.
func (t target) trusts(uid int) bool {
	if uid == 0 || uid == os.Geteuid() {
		return true
	}
	for _, path := range []string{t.profile.ConfigPath, t.profile.StateDir} {
		info, err := os.Stat(path)
		if err != nil {
			continue
		}
		if owner, known := ownerID(info); !known || owner == uid {
			return true
		}
	}
	return false
}
