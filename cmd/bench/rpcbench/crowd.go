//go:build linux

package rpcbench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coderclaw/coderclaw/cmd/bench/procstat"
	"github.com/coderclaw/coderclaw/cmd/bench/table"
)

const (
	broadcasts = 5               // in a round
	settle     = 2 * time.Second // how long what letting clients in has left behind may go on working
	patience   = 30 * time.Second
)

// crowd measures what idle clients weigh and how long it takes to tell them all one thing.
func (r *round) crowd() error {
	bare, err := r.crowdOn(r.floor)
	if err != nil {
		return fmt.Errorf("floor: %w", err)
	}
	ours, err := r.crowdOn(r.ours)
	if err != nil {
		return err
	}
	r.table.Add(table.Row{What: fmt.Sprintf("%d clients, all in", r.Crowd), Unit: "ms", Bar: -1}, table.Ms(ours.took), table.Ms(bare.took))
	r.table.Add(table.Row{What: "private memory for each idle client", Unit: "kB", Bar: barIdle}, ours.private, bare.private)
	r.table.Add(table.Row{What: "kernel memory for each, both ends", Unit: "kB", Bar: -1}, ours.kernel, bare.kernel)
	r.table.Add(table.Row{What: "one event to all, until the last has it", Unit: "ms", Bar: barBroadcast}, ours.told, bare.told)
	r.table.Add(table.Row{What: "one event to all, server's CPU", Unit: "ms", Bar: -1}, ours.toldCPU, bare.toldCPU)
	r.table.Add(table.Row{What: "one event to all, clients' CPU", Unit: "ms", Bar: -1}, ours.heardCPU, bare.heardCPU)
	return nil
}

// crowdCost is what a crowd costs, memory in kB and times in ms.
type crowdCost struct {
	took                                     time.Duration
	private, kernel, told, toldCPU, heardCPU float64
}

func (r *round) crowdOn(s *server) (c crowdCost, err error) {
	_, private, err := procstat.Memory(s.PID())
	if err != nil {
		return c, err
	}
	kernel, err := slab()
	if err != nil {
		return c, err
	}
	peers := make([]*peer, r.Crowd)
	defer func() { closeAll(peers) }()
	begin := time.Now()
	if err := s.openAll(r.ctx, r.Crowd, func(int) who { return r.device }, peers); err != nil {
		return c, err
	}
	c.took = time.Since(begin)
	if err := pause(r.ctx, settle); err != nil {
		return c, err
	}
	_, after, err := procstat.Memory(s.PID())
	if err != nil {
		return c, err
	}
	kernelAfter, err := slab()
	if err != nil {
		return c, err
	}
	c.private, c.kernel = (after-private)*1000/float64(r.Crowd), (kernelAfter-kernel)/float64(r.Crowd)

	var left atomic.Int64
	done := make(chan time.Time, 1)
	wg := listen(peers, func(raw []byte) {
		if bytes.Contains(raw[:min(len(raw), 64)], []byte(told)) && left.Add(-1) == 0 {
			done <- time.Now()
		}
	})
	defer wg.Wait()
	defer func() { closeAll(peers) }()
	if err := pause(r.ctx, settle); err != nil { // until all wait
		return c, err
	}
	var all []time.Duration
	own := ownCPU()
	before, err := procstat.Read(s.PID())
	if err != nil {
		return c, err
	}
	for i := range broadcasts {
		left.Store(int64(len(peers)))
		begin := time.Now()
		if err := peers[0].write(r.trigger(s, i)); err != nil {
			return c, err
		}
		select {
		case at := <-done:
			all = append(all, at.Sub(begin))
		case <-time.After(patience):
			return c, fmt.Errorf("%d of %d clients were not told", left.Load(), len(peers))
		case <-r.ctx.Done():
			return c, r.ctx.Err()
		}
	}
	did, err := procstat.Read(s.PID())
	c.told, c.toldCPU, c.heardCPU = table.Percentile(all, 50), table.Ms(did.CPU-before.CPU)/broadcasts, table.Ms(ownCPU()-own)/broadcasts
	return c, err
}

// told is the event that everybody gets.
const told = "exec.approval.requested"

// trigger is the message that has everybody told. The echo sends the event itself.
func (r *round) trigger(s *server, i int) []byte {
	id := strings.Repeat("0", 30) + fmt.Sprintf("%06d", i)
	if s.echo {
		return []byte(`!{"type":"event","event":"` + told + `","payload":{"id":"` + id + `","request":{"command":"true","cwd":null,"host":null,"security":null,"ask":null,` +
			`"agentId":null,"resolvedPath":null,"sessionKey":null},"createdAtMs":1700000000000,"expiresAtMs":1700000000000},"seq":1}`)
	}
	return []byte(`{"type":"req","id":"t","method":"exec.approval.request","params":{"id":"` + id + `","command":"true","timeoutMs":60000}}`)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// slab is the memory of the kernel's own objects, sockets among them, in kB.
func slab() (float64, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if fields := strings.Fields(sc.Text()); len(fields) > 1 && fields[0] == "Slab:" {
			return strconv.ParseFloat(fields[1], 64)
		}
	}
	return 0, errors.Join(sc.Err(), errors.New("/proc/meminfo tells no Slab"))
}
