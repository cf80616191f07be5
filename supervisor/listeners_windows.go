package supervisor

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/windows"
)

const (
	// Handles of sockets are not inherited, so the child binds.
	inheritsListeners = false

	errInUse      = windows.WSAEADDRINUSE
	errNoSuchAddr = windows.WSAEADDRNOTAVAIL
)

func detach(*net.TCPListener) (*os.File, error) {
	return nil, errors.New("a listening socket cannot be handed to a child on this system")
}
