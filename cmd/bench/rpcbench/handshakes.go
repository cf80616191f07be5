//go:build linux

package rpcbench

import (
	"bytes"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coderclaw/coderclaw/cmd/bench/procstat"
	"github.com/coderclaw/coderclaw/cmd/bench/table"
)

// handshakeCount is how many clients come and go, 32 at once.
const handshakeCount = 4000

// handshakes measures how many clients are let in.
func (r *round) handshakes() error {
	bare, err := r.comeAndGo(r.floor, named)
	if err != nil {
		return err
	}
	for _, v := range []struct {
		what string
		as   func(int) who
	}{{"token and paired device", func(int) who { return r.device }}, {"token, no device", named}} { // the latter are all listed as present
		got, err := r.comeAndGo(r.ours, v.as)
		if err != nil {
			return fmt.Errorf("%s: %w", v.what, err)
		}
		what := "handshakes with " + v.what
		r.table.Add(table.Row{What: what, Unit: "/s", Bar: barHandshake, More: true}, got.rate, bare.rate)
		r.table.Add(table.Row{What: what + ", server's CPU for one", Unit: "µs", Bar: -1}, got.server, bare.server)
		r.table.Add(table.Row{What: what + ", client's CPU for one", Unit: "µs", Bar: -1}, got.client, bare.client)
	}
	return nil
}

func (r *round) comeAndGo(s *server, as func(int) who) (cost, error) {
	return s.cost(handshakeCount, func() error { return s.openAll(r.ctx, handshakeCount, as, nil) })
}

// cost is what was done many times: how often in a second, and the CPU that it took each
// time, in µs.
type cost struct{ rate, server, client float64 }

// cost does what n times is to be measured.
func (s *server) cost(n float64, do func() error) (c cost, err error) {
	before, err := procstat.Read(s.PID())
	if err != nil {
		return c, err
	}
	own, begin := ownCPU(), time.Now()
	if err := do(); err != nil {
		return c, err
	}
	took := time.Since(begin)
	own = ownCPU() - own
	after, err := procstat.Read(s.PID())
	each := func(d time.Duration) float64 { return float64(d.Microseconds()) / n }
	return cost{n / took.Seconds(), each(after.CPU - before.CPU), each(own)}, err
}

// ownCPU is the time that this process has had on a processor.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// storm measures how long it takes until many clients are in that all stay, and what
// each is told beside its hello.
func (r *round) storm() error {
	bare, _, err := r.stormOn(r.floor)
	if err != nil {
		return err
	}
	took, events, err := r.stormOn(r.ours)
	if err != nil {
		return err
	}
	r.table.Add(table.Row{What: fmt.Sprintf("%d clients come and stay", r.Storm), Unit: "ms", Bar: -1}, table.Ms(took), table.Ms(bare))
	r.table.Add(table.Row{What: "events for each of them", Bar: barEvents}, float64(events)/float64(r.Storm), 0)
	return nil
}

// quiet is how long nothing may come until all has come.
const quiet = 500 * time.Millisecond

func (r *round) stormOn(s *server) (took time.Duration, events int64, err error) {
	peers := make([]*peer, r.Storm)
	begin := time.Now()
	if err := s.openAll(r.ctx, r.Storm, named, peers); err != nil {
		closeAll(peers)
		return 0, 0, err
	}
	took = time.Since(begin)
	var seen atomic.Int64
	wg := listen(peers, func(raw []byte) {
		if bytes.HasPrefix(raw, []byte(`{"type":"event"`)) {
			seen.Add(1)
		}
	})
	for last := int64(-1); last != seen.Load(); time.Sleep(quiet) {
		last = seen.Load()
	}
	closeAll(peers)
	wg.Wait()
	return took, seen.Load(), nil
}

// listen calls fn with all that comes, until the clients are closed.
func listen(peers []*peer, fn func([]byte)) *sync.WaitGroup {
	wg := &sync.WaitGroup{}
	for _, p := range peers {
		wg.Go(func() {
			for {
				raw, err := p.read()
				if err != nil {
					return
				}
				fn(raw)
			}
		})
	}
	return wg
}
