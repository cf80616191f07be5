//go:build !linux

package proctable

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"time"

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

// ServiceManager tells whether a process is a systemd, of which there is none here.
func ServiceManager(int) bool { return false }

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

// Program is the Exe of Get alone; "" when the process has ended or may not be looked at.
func Program(pid int) string {
	p, err := find(pid)
	if err != nil {
		return ""
	}
	path, err := p.Exe()
	if err != nil {
		return ""
	}
	return path
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
	all, err := ListenersOn([]int{port})
	return all[port], err
}

// ListenersOn is Listeners for many ports, for which the tables are read once.
func ListenersOn(ports []int) (map[int][]Listener, error) {
	conns, err := net.Connections("tcp")
	if err != nil {
		return nil, err
	}
	out := map[int][]Listener{}
	for _, c := range conns {
		port := int(c.Laddr.Port)
		if c.Status != "LISTEN" || !slices.Contains(ports, port) {
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
		out[port] = append(out[port], l)
	}
	return out, nil
}

// Usage is what the process has used: CPU time since its start, its children not
// counted, resident memory, and its threads. The error is fs.ErrNotExist when there
// is no such process.
func Usage(pid int) (cpu time.Duration, rssBytes int64, threads int, err error) {
	p, err := find(pid)
	if err != nil {
		return 0, 0, 0, err
	}
	times, err := p.Times()
	if err != nil {
		return 0, 0, 0, err
	}
	mem, err := p.MemoryInfo()
	if err != nil {
		return 0, 0, 0, err
	}
	n, err := p.NumThreads()
	return time.Duration((times.User + times.System) * float64(time.Second)), int64(mem.RSS), int(n), err
}

// Age is how long ago the process began.
func Age(pid int) (time.Duration, error) {
	ms, err := StartTime(pid)
	return max(time.Since(time.UnixMilli(int64(ms))), 0), err
}

// PSS fails: this system does not tell it.
func PSS(int) (int64, error) { return 0, errors.ErrUnsupported }

// parents maps every pid to its parent's.
func parents() (map[int]int, error) {
	pids, err := process.Pids()
	if err != nil {
		return nil, err
	}
	out := make(map[int]int, len(pids))
	for _, pid := range pids {
		if ppid, err := parent(int(pid)); err == nil { // else it has ended meanwhile
			out[int(pid)] = ppid
		}
	}
	return out, nil
}

// Established counts the established TCP connections at each of the local ports.
func Established(ports []int) (map[int]int, error) {
	counts := make(map[int]int, len(ports))
	for _, p := range ports {
		counts[p] = 0
	}
	conns, err := net.Connections("tcp")
	if err != nil {
		return nil, err
	}
	for _, c := range conns {
		if n, wanted := counts[int(c.Laddr.Port)]; wanted && c.Status == "ESTABLISHED" {
			counts[int(c.Laddr.Port)] = n + 1
		}
	}
	return counts, nil
}
