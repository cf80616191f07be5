package proctable

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// States of the kernel's tcp_states.h.
const (
	stateListen      = "0A"
	stateEstablished = "01"
)

// ServiceManager tells whether a process is a systemd, which may have a socket open
// for a service and not for itself.
func ServiceManager(pid int) bool {
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
			case ServiceManager(pid):
				managers[link] = pid
			case old == 0 || pid < old:
				links[link] = pid
			}
		}
	}
	return nil
}
