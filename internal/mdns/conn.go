package mdns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/miekg/dns"
	"golang.org/x/net/ipv4"
)

// packet is one message and where it came from.
type packet struct {
	msg  *dns.Msg
	from netip.AddrPort
	link Link
	held bool // and is looked at for the second time
}

// conn is a socket on the links. One goroutine reads, which close waits for; all
// other methods belong to one caller.
type conn struct {
	udp     *net.UDPConn
	pc      *ipv4.PacketConn
	links   []Link
	port    uint16 // of those who speak multicast DNS
	to      netip.AddrPort
	packets chan packet
	done    chan struct{}
	reader  sync.WaitGroup

	mu    sync.Mutex // guards what follows
	known []Link     // the links, for the reader
}

// maxPacket is more than any network carries in one piece.
const maxPacket = 9000

// listen opens the port that everybody shares, and joins the group on each link.
func listen(links []Link) (*conn, error) {
	if len(links) == 0 {
		return nil, errors.New("no network here carries multicast")
	}
	udp, err := net.ListenMulticastUDP("udp4", &links[0].Interface, net.UDPAddrFromAddrPort(group))
	if err != nil {
		return nil, fmt.Errorf("multicast DNS: %w", err)
	}
	return open(udp, group, links)
}

// open makes a conn of a socket, whose messages go to the address to.
func open(udp *net.UDPConn, to netip.AddrPort, links []Link) (*conn, error) {
	c := &conn{udp: udp, pc: ipv4.NewPacketConn(udp), to: to, port: to.Port(), packets: make(chan packet), done: make(chan struct{})}
	_ = c.pc.SetControlMessage(ipv4.FlagInterface, true)    // without it the address of the sender tells the link
	_ = c.pc.SetMulticastTTL(255)                           // RFC 6762 §11 asks for it, and lets others do without
	if err := c.pc.SetMulticastLoopback(true); err != nil { // for other programs of this machine
		_ = udp.Close()
		return nil, fmt.Errorf("multicast DNS: %w", err)
	}
	c.join(links)
	c.reader.Go(c.read)
	return c, nil
}

// join makes links those that count.
func (c *conn) join(links []Link) {
	for _, l := range links {
		_ = c.pc.JoinGroup(&l.Interface, net.UDPAddrFromAddrPort(netip.AddrPortFrom(group.Addr(), 0))) // it may have before
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links, c.known = links, links
}

// close ends the reader and waits for it.
func (c *conn) close() {
	close(c.done)
	_ = c.udp.Close() // nothing is lost with it
	c.reader.Wait()
}

func (c *conn) read() {
	buf := make([]byte, maxPacket)
	for {
		n, cm, from, err := c.pc.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		addr, ok := from.(*net.UDPAddr)
		if err != nil || !ok {
			select {
			case <-c.done:
				return
			default:
				continue // an answer to something sent before, for instance that nobody was there
			}
		}
		index := 0
		if cm != nil {
			index = cm.IfIndex
		}
		src := addr.AddrPort()
		src = netip.AddrPortFrom(src.Addr().Unmap(), src.Port())
		link, ok := c.linkOf(src.Addr(), index)
		if !ok {
			continue // from beyond the link (RFC 6762 §11)
		}
		msg := new(dns.Msg)
		if msg.Unpack(buf[:n]) != nil || msg.Opcode != dns.OpcodeQuery || msg.Rcode != dns.RcodeSuccess {
			continue
		}
		select {
		case c.packets <- packet{msg: msg, from: src, link: link}:
		case <-c.done:
			return
		}
	}
}

// linkOf is the link that a packet came over. index 0 is for systems that do not tell.
func (c *conn) linkOf(from netip.Addr, index int) (Link, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.known {
		if (index == 0 || l.Interface.Index == index) && l.holds(from) {
			return l, true
		}
	}
	return Link{}, false
}

// sendAll tells everybody on a link.
func (c *conn) sendAll(l Link, m *dns.Msg) error {
	if err := c.pc.SetMulticastInterface(&l.Interface); err != nil {
		return err
	}
	return c.sendTo(c.to, m)
}

func (c *conn) sendTo(to netip.AddrPort, m *dns.Msg) error {
	m.Compress = true
	raw, err := m.Pack()
	if err != nil {
		return err
	}
	_, err = c.udp.WriteToUDPAddrPort(raw, to)
	return err
}
