package proctable

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// ConnectedUser is the user id of the process at the client's end of an established TCP
// connection of this machine with itself; -1 when that end is not here to be seen.
func ConnectedUser(client, server netip.AddrPort) (int, error) {
	found := -1
	err := eachTable(func(table io.Reader) error {
		if found >= 0 {
			return nil
		}
		uid, err := connectedUser(table, unmapped(client), unmapped(server))
		found = uid
		return err
	})
	return found, err
}

func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// connectedUser looks for the connection in a table of proc_pid_net(5).
func connectedUser(r io.Reader, client, server netip.AddrPort) (int, error) {
	local, remote := fmt.Sprintf(":%04X", client.Port()), fmt.Sprintf(":%04X", server.Port())
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		if len(f) < 10 || f[3] != stateEstablished || !strings.HasSuffix(f[1], local) || !strings.HasSuffix(f[2], remote) {
			continue
		}
		from, err := parseAddr(strings.TrimSuffix(f[1], local))
		if err != nil {
			return -1, err
		}
		to, err := parseAddr(strings.TrimSuffix(f[2], remote))
		if err != nil {
			return -1, err
		}
		if from.Unmap() != client.Addr() || to.Unmap() != server.Addr() {
			continue
		}
		uid, err := strconv.Atoi(f[7])
		if err != nil || uid < 0 {
			return -1, fmt.Errorf("unexpected line %q", sc.Text())
		}
		return uid, nil
	}
	return -1, sc.Err()
}
