package proctable

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// Listeners returns who listens on the TCP port, on any address. A socket that
// several processes have open appears once, with the process of the lowest pid.
func Listeners(port int) ([]Listener, error) {
	all, err := ListenersOn([]int{port})
	return all[port], err
}

// ListenersOn is Listeners for many ports, for which the tables are read once.
func ListenersOn(ports []int) (map[int][]Listener, error) {
	var socks []socket
	err := eachTable(func(table io.Reader) error {
		got, err := listening(table, ports)
		socks = append(socks, got...)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(socks) == 0 {
		return nil, nil
	}
	owners := map[string]int{}
	for _, s := range socks {
		owners["socket:["+s.inode+"]"] = 0
	}
	if err := findOwners(owners); err != nil {
		return nil, err
	}
	out := map[int][]Listener{}
	for _, s := range socks {
		port := int(s.addr.Port())
		out[port] = append(out[port], Listener{Addr: s.addr, UID: s.uid, PID: owners["socket:["+s.inode+"]"]})
	}
	return out, nil
}

type socket struct {
	addr  netip.AddrPort
	uid   int
	inode string
}

// listening reads the listening sockets on the ports from a table of proc_pid_net(5).
func listening(r io.Reader, ports []int) ([]socket, error) {
	want := map[string]int{}
	for _, port := range ports {
		want[fmt.Sprintf("%04X", port)] = port
	}
	var out []socket
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		if len(f) < 10 || f[3] != stateListen {
			continue
		}
		at, hex, _ := strings.Cut(f[1], ":")
		port, ok := want[hex]
		if !ok {
			continue
		}
		addr, err := parseAddr(at)
		if err != nil {
			return nil, err
		}
		uid, err := strconv.Atoi(f[7])
		if err != nil {
			return nil, fmt.Errorf("unexpected line %q", sc.Text())
		}
		out = append(out, socket{netip.AddrPortFrom(addr, uint16(port)), uid, f[9]})
	}
	return out, sc.Err()
}
