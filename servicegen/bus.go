package servicegen

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	sd "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
)

// busAt is one place at which a manager may answer: the bus that it is on, and
// its own socket, which exists where no bus daemon is installed.
type busAt struct{ bus, private string }

// systemBusAddress is where the bus of the machine answers.
func systemBusAddress(env Lookup) string {
	if bus, ok := env("DBUS_SYSTEM_BUS_ADDRESS"); ok && bus != "" {
		return bus
	}
	return "unix:path=/run/dbus/system_bus_socket"
}

// buses lists where the manager may answer, best first, and why a place that the
// environment names is left out. DBUS_SESSION_BUS_ADDRESS counts for nothing: a
// desktop or ssh session may have a bus of its own, without the manager on it.
//
// XDG_RUNTIME_DIR is missing under cron, sudo and su, names another user's
// directory after `su` or `sudo -E`, and one without a manager under WSLg. So
// the directory that logind makes for the user is looked at as well.
func (o HostOptions) buses() (places []busAt, skipped error) {
	if o.Scope == ScopeSystem {
		return []busAt{{systemBusAddress(o.Env), "unix:path=/run/systemd/private"}}, nil
	}
	add := func(dir string) {
		at := func(name ...string) string {
			return "unix:path=" + dbus.EscapeBusAddressValue(filepath.Join(append([]string{dir}, name...)...))
		}
		places = append(places, busAt{at("bus"), at("systemd", "private")})
	}
	usual := filepath.Join(o.RuntimeRoot, strconv.Itoa(o.UID))
	dir, named := o.Env("XDG_RUNTIME_DIR")
	if named = named && filepath.IsAbs(dir); named {
		if info, err := os.Stat(dir); err == nil {
			if uid, known := ownerOf(info); known && uid != o.UID {
				skipped = fmt.Errorf("XDG_RUNTIME_DIR, %s, belongs to user id %d, not %d", dir, uid, o.UID)
				named = false
			}
		}
	}
	if named {
		add(dir)
	}
	if (!named || filepath.Clean(dir) != usual) && o.atHome() {
		add(usual)
	}
	return places, skipped
}

// atHome tells whether HOME is the home of the account. Where it is not, the
// account's manager would not see the service files that are written below HOME,
// so it must not be taken for theirs unless the environment names it.
func (o HostOptions) atHome() bool {
	home, ok := o.Env("HOME")
	if !ok || home == "" {
		return true
	}
	account, err := user.LookupId(strconv.Itoa(o.UID))
	return err != nil || account.HomeDir == "" || profiles.SamePlace(home, account.HomeDir)
}

// connect opens the bus of the manager, else the manager's own socket.
func (h *Systemd) connect(ctx context.Context) (*sd.Conn, error) {
	places, skipped := h.o.buses()
	failed := []error{skipped}
	for _, at := range places {
		c, err := sd.NewConnection(func() (*dbus.Conn, error) { return dialManager(ctx, at.bus) })
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("connect to %s: %w", at.bus, context.Cause(ctx))
		}
		failed = append(failed, err)
		if c, err := sd.NewConnection(func() (*dbus.Conn, error) { return dialBus(ctx, at.private, false) }); err == nil {
			return c, nil
		}
	}
	e := &NoBusError{Address: "XDG_RUNTIME_DIR", Hint: h.hint(), Err: oneLine(failed)}
	if len(places) > 0 {
		e.Address = places[0].bus
	} else if skipped == nil {
		e.Err = errors.New("it is not set")
	}
	return nil, e
}

// oneLine joins errors for people; nil is left out.
func oneLine(all []error) (joined error) {
	for _, err := range all {
		switch {
		case err == nil:
		case joined == nil:
			joined = err
		default:
			joined = fmt.Errorf("%w; %w", joined, err)
		}
	}
	return joined
}

// dialManager connects to a bus that has a manager on it.
func dialManager(ctx context.Context, address string) (*dbus.Conn, error) {
	c, err := dialBus(ctx, address, true)
	if err != nil {
		return nil, err
	}
	var owned bool
	err = c.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, systemd1).Store(&owned)
	if err == nil && !owned {
		err = errors.New("the bus there has no systemd on it")
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// systemBus connects to the bus of the machine.
func systemBus(ctx context.Context, o HostOptions) (*dbus.Conn, error) {
	return dialBus(ctx, systemBusAddress(o.Env), true)
}

// dialBus connects and names no user but the id: the name needs a lookup, and the
// library's own session bus would start a stray bus daemon where none runs. The
// id is the caller's, since the kernel tells the other end so anyway.
func dialBus(ctx context.Context, address string, hello bool) (*dbus.Conn, error) {
	return dialWithin(ctx, greeting, address, hello)
}

// greeting is how long a bus may take to let somebody in: far more than a busy
// machine needs, and short enough to try the next place.
const greeting = 10 * time.Second

func dialWithin(ctx context.Context, limit time.Duration, address string, hello bool) (*dbus.Conn, error) {
	c, err := dbus.Dial(address, dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	var late atomic.Bool
	timer := time.AfterFunc(limit, func() {
		late.Store(true)
		_ = c.Close() // which is how the library gives up
	})
	defer timer.Stop()
	err = c.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))})
	if err == nil && hello {
		err = c.Hello()
	}
	switch {
	case late.Load():
		return nil, fmt.Errorf("%s did not let us in within %s", address, limit)
	case err != nil:
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// userName is the login name of the user. An account that is not in the local
// files, as in a directory service, is known by what the session says.
func (o HostOptions) userName() string {
	name := proctable.UserName(o.UID)
	if said, _ := o.Env("USER"); name == strconv.Itoa(o.UID) && said != "" && (o.UID == 0) == (said == "root") {
		return said
	}
	return name
}

// self tells whether the options speak of the user that this process runs as.
func (o HostOptions) self() bool { return o.UID == os.Geteuid() }
