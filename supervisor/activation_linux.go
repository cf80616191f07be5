package supervisor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// openActivated takes over descriptor fd, which is to be a listening TCP socket. It
// is closed when it is not.
func openActivated(fd int) (socket, error) {
	addr, err := listeningAddr(fd)
	if err != nil {
		return socket{}, errors.Join(fmt.Errorf("descriptor %d: %w", fd, err), unix.Close(fd))
	}
	f, err := adoptListener(fd, addr.String())
	return socket{addr, f, true}, err
}

func listeningAddr(fd int) (netip.AddrPort, error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("it is no socket: %w", err)
	}
	accepts, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if kind != unix.SOCK_STREAM || accepts == 0 {
		return netip.AddrPort{}, errors.New("it is no listening stream socket")
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)), nil
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(a.Addr)
		if a.ZoneId != 0 {
			zone := strconv.FormatUint(uint64(a.ZoneId), 10)
			if link, err := net.InterfaceByIndex(int(a.ZoneId)); err == nil {
				zone = link.Name
			}
			ip = ip.WithZone(zone)
		}
		return netip.AddrPortFrom(ip, uint16(a.Port)), nil
	}
	return netip.AddrPort{}, errors.New("it is no TCP socket")
}
