package proctable

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Listeners returns who listens on the TCP port, on any address. A socket that
// several processes have open appears once, with the process of the lowest pid.
func Listeners(port int) ([]Listener, error) {
	var socks []socket
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // no IPv6 in this kernel
		}
		if err != nil {
			return nil, err
		}
		got, err := listening(f, port)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		socks = append(socks, got...)
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
	out := make([]Listener, len(socks))
	for i, s := range socks {
		out[i] = Listener{Addr: s.addr, UID: s.uid, PID: owners["socket:["+s.inode+"]"]}
	}
	return out, nil
}

type socket struct {
	addr  netip.AddrPort
	uid   int
	inode string
}

// States of the kernel's tcp_states.h.
const (
	stateListen      = "0A"
	stateEstablished = "01"
)

// listening reads the listening sockets on port from a table of proc_pid_net(5).
func listening(r io.Reader, port int) ([]socket, error) {
	var out []socket
	want := fmt.Sprintf(":%04X", port)
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		if len(f) < 10 || f[3] != stateListen || !strings.HasSuffix(f[1], want) {
			continue
		}
		addr, err := parseAddr(strings.TrimSuffix(f[1], want))
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

// isManager tells whether a process is a systemd that hands sockets to services.
func isManager(pid int) bool {
	comm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
	return err == nil && strings.TrimSpace(string(comm)) == "systemd"
}

// parseAddr reads an address as the kernel prints it: 32-bit words in the byte
// order of the machine.
func parseAddr(text string) (netip.Addr, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 4 && len(raw) != 16 {
		return netip.Addr{}, fmt.Errorf("unexpected address %q", text)
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, _ := netip.AddrFromSlice(raw) // the length was checked
	return addr, nil
}

// findOwners fills in, for each link text of /proc/PID/fd, the lowest pid that has
// it open. A service manager, which keeps the sockets that it hands to services,
// counts only when nobody else has it.
func findOwners(links map[string]int) error {
	managers := map[string]int{}
	defer func() {
		for link, pid := range managers {
			if links[link] == 0 {
				links[link] = pid
			}
		}
	}()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		dir := "/proc/" + e.Name() + "/fd"
		fds, err := os.ReadDir(dir)
		if err != nil {
			continue // another user's, or gone meanwhile
		}
		for _, fd := range fds {
			link, err := os.Readlink(dir + "/" + fd.Name())
			if err != nil {
				continue
			}
			old, wanted := links[link]
			switch {
			case !wanted:
			case isManager(pid):
				managers[link] = pid
			case old == 0 || pid < old:
				links[link] = pid
			}
		}
	}
	return nil
}
