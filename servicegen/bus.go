package servicegen

import (
	"context"
	"errors"
	"os"
	"strconv"

	"github.com/godbus/dbus/v5"
)

// systemBusAddress is where the bus of the machine answers.
func systemBusAddress(env Lookup) string {
	if bus, ok := env("DBUS_SYSTEM_BUS_ADDRESS"); ok && bus != "" {
		return bus
	}
	return "unix:path=/run/dbus/system_bus_socket"
}

// systemBus connects to the bus of the machine.
func systemBus(ctx context.Context, o HostOptions) (*dbus.Conn, error) {
	return dialBus(ctx, systemBusAddress(o.Env), true)
}

// dialBus connects and names no user but the id: the name needs a lookup, and the
// library's own session bus would start a stray bus daemon where none runs. The
// id is the caller's, since the kernel tells the other end so anyway.
func dialBus(ctx context.Context, address string, hello bool) (*dbus.Conn, error) {
	c, err := dbus.Dial(address, dbus.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	err = c.Auth([]dbus.Auth{dbus.AuthExternal(strconv.Itoa(os.Geteuid()))})
	if err == nil && hello {
		err = c.Hello()
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// self tells whether the options speak of the user that this process runs as.
func (o HostOptions) self() bool { return o.UID == os.Geteuid() }
