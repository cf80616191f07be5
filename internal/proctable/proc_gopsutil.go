//go:build !linux

package proctable

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"

	"github.com/shirou/gopsutil/v4/net"
	"github.com/shirou/gopsutil/v4/process"
)

func find(pid int) (*process.Process, error) {
	p, err := process.NewProcess(int32(pid))
	if errors.Is(err, process.ErrorProcessNotRunning) {
		return nil, fmt.Errorf("pid %d: %w", pid, fs.ErrNotExist)
	}
	return p, err
}

// Get asks the system for the process. The error is fs.ErrNotExist when there is none.
func Get(pid int) (Process, error) {
	gp, err := find(pid)
	if err != nil {
		return Process{}, err
	}
	p := Process{PID: pid, UID: -1}
	if ppid, err := gp.Ppid(); err == nil {
		p.PPID = int(ppid)
	}
	if uids, err := gp.Uids(); err == nil && len(uids) > 0 {
		p.UID = int(uids[0])
	}
	p.User, _ = gp.Username() // unknown stays empty, like the rest
	p.Exe, _ = gp.Exe()
	p.Argv, _ = gp.CmdlineSlice()
	p.StartTime, err = StartTime(pid)
	return p, err
}

// StartTime is when the process began, in ms since 1970.
func StartTime(pid int) (uint64, error) {
	p, err := find(pid)
	if err != nil {
		return 0, err
	}
	ms, err := p.CreateTime()
	return uint64(ms), err
}

func parent(pid int) (int, error) {
	p, err := find(pid)
	if err != nil {
		return 0, err
	}
	ppid, err := p.Ppid()
	return int(ppid), err
}

// Listeners returns who listens on the TCP port, on any address.
func Listeners(port int) ([]Listener, error) {
	conns, err := net.Connections("tcp")
	if err != nil {
		return nil, err
	}
	var out []Listener
	for _, c := range conns {
		if c.Status != "LISTEN" || int(c.Laddr.Port) != port {
			continue
		}
		addr, err := netip.ParseAddr(c.Laddr.IP)
		if err != nil {
			addr = netip.IPv6Unspecified() // "*"
		}
		l := Listener{Addr: netip.AddrPortFrom(addr, uint16(port)), PID: int(c.Pid), UID: -1}
		if p, err := Get(l.PID); err == nil {
			l.UID = p.UID
		}
		out = append(out, l)
	}
	return out, nil
}
