package main

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor"
)

// socketFlag is the option of `gateway install` for a socket unit.
func socketFlag() cli.Flag {
	return &cli.BoolFlag{Name: "socket", Usage: "have a socket unit of systemd hold the ports, so that a restart of the whole service refuses nobody; --socket=false gives it up"}
}

// chooseSocket decides about the socket unit: what was asked for, else what is there.
func (s *unitService) chooseSocket(c *cli.Command, check supervisor.Checked, o *servicegen.InstallOptions) {
	want := s.socket
	if c.IsSet("socket") {
		want = c.Bool("socket")
	}
	switch {
	case s.host.Format() != servicegen.FormatSystemd:
	case want:
		s.options.Listen = bindable(check.Addrs)
		socket := servicegen.SocketFor(s.profile, s.options)
		s.spec = servicegen.ForProfile(s.profile, s.options)
		s.unit.Spec, o.Socket = s.spec, &socket
	case s.socket:
		s.spec.Socket, s.unit.Spec.Socket = "", ""
		o.NoSocket = true
	}
}

// bindable are the addresses that this machine has, with the first one in any case: a
// socket unit fails as a whole when one of its addresses is of a family that the
// kernel lacks.
func bindable(addrs []netip.AddrPort) []netip.AddrPort {
	var out []netip.AddrPort
	for i, addr := range addrs {
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", netip.AddrPortFrom(addr.Addr(), 0).String())
		if err == nil {
			_ = l.Close() // it was only tried
		}
		if err == nil || i == 0 {
			out = append(out, addr)
		}
	}
	return out
}

// start has the manager start the service, after the socket unit that holds its port.
func (s unitService) start(ctx context.Context) error {
	if s.socket {
		err := s.host.Start(ctx, s.unit.SocketUnit())
		if _, failed := errors.AsType[*servicegen.JobError](err); err != nil && !failed {
			return err
		} // one that cannot listen leaves that to the service, which says who is in the way
	}
	return s.host.Start(ctx, s.unit)
}

// stop has the manager stop the service, and the socket unit before: the next client
// that comes to it would start the service again.
func (s unitService) stop(ctx context.Context) error {
	if s.socket {
		if err := s.host.Stop(ctx, s.unit.SocketUnit()); err != nil {
			return err
		}
	}
	return s.host.Stop(ctx, s.unit)
}

// uninstall removes the service, and its socket unit before.
func (s unitService) uninstall(ctx context.Context, o servicegen.UninstallOptions) (servicegen.UninstallReport, error) {
	if s.socket {
		if r, err := servicegen.Uninstall(ctx, s.host, s.unit.SocketUnit(), o); err != nil {
			return r, err
		}
	}
	return servicegen.Uninstall(ctx, s.host, s.unit, o)
}
