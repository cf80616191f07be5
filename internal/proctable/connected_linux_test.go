package proctable

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
)

func TestConnectedUser(t *testing.T) {
	t.Parallel()
	for network, at := range map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0", "tcp": ":0"} {
		l, err := net.Listen(network, at)
		if err != nil {
			if network == "tcp6" {
				continue // no IPv6 here
			}
			t.Fatal(err)
		}
		defer l.Close()
		to := l.Addr().String()
		if network == "tcp" { // a socket of both families, reached over the older one
			to = strings.Replace(to, "[::]", "127.0.0.1", 1)
		}
		c, err := net.Dial("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		client, at := netip.MustParseAddrPort(server.RemoteAddr().String()), netip.MustParseAddrPort(server.LocalAddr().String())
		if uid, err := ConnectedUser(client, at); uid != os.Getuid() || err != nil {
			t.Errorf("%s: %s to %s is of %d, %v", network, client, at, uid, err)
		}
		if uid, err := ConnectedUser(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), client.Port()), at); uid != -1 || err != nil {
			t.Errorf("%s: a connection that is not there is of %d, %v", network, uid, err)
		}
	}
}

func FuzzConnectedUser(f *testing.F) {
	const row = "   5: 0100007F:C001 0100007F:4965 01 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0000000000000000 20 4 30 10 -1\n"
	client, server := netip.MustParseAddrPort("127.0.0.1:49153"), netip.MustParseAddrPort("127.0.0.1:18789")
	if uid, err := connectedUser(strings.NewReader(row), client, server); uid != 1000 || err != nil {
		f.Fatal(uid, err)
	}
	f.Add(row)
	f.Add(strings.Replace(row, "1000", "-1", 1))
	f.Fuzz(func(t *testing.T, table string) {
		if uid, err := connectedUser(strings.NewReader(table), client, server); uid < -1 || err != nil && uid != -1 {
			t.Errorf("%d, %v", uid, err)
		}
	})
}
