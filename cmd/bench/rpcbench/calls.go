//go:build linux

package rpcbench

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/cmd/bench/table"
)

const (
	single   = 3000 // calls one after the other
	many     = 50   // connections
	manyEach = 600  // calls on each of them
)

// calls measures answers on one connection and on many.
func (r *round) calls() error {
	ours, err := r.one(r.ours)
	if err != nil {
		return err
	}
	floor, err := r.one(r.floor)
	if err != nil {
		return err
	}
	r.table.Add(table.Row{What: "health on one connection, p50", Unit: "ms", Bar: barP50}, table.Percentile(ours, 50), table.Percentile(floor, 50))
	r.table.Add(table.Row{What: "health on one connection, p99", Unit: "ms", Bar: -1}, table.Percentile(ours, 99), table.Percentile(floor, 99))
	for _, depth := range []int{1, 8} {
		bare, err := r.all(r.floor, "health", depth)
		if err != nil {
			return err
		}
		for _, method := range []string{"health", "system-presence"} {
			got, err := r.all(r.ours, method, depth)
			if err != nil {
				return err
			}
			what := fmt.Sprintf("%s on %d connections, %d at once on each", method, many, depth)
			r.table.Add(table.Row{What: what, Unit: "/s", Bar: barCalls, More: true}, got.rate, bare.rate)
			r.table.Add(table.Row{What: what + ", server's CPU for a call", Unit: "µs", Bar: -1}, got.server, bare.server)
			r.table.Add(table.Row{What: what + ", client's CPU for a call", Unit: "µs", Bar: -1}, got.client, bare.client)
		}
	}
	return nil
}

// one makes calls one after the other on one connection.
func (r *round) one(s *server) ([]time.Duration, error) {
	p, err := s.open(r.ctx, r.device)
	if err != nil {
		return nil, err
	}
	defer p.close()
	all := make([]time.Duration, single)
	for i := range all {
		begin := time.Now()
		if err := p.call("health", "{}"); err != nil {
			return nil, err
		}
		all[i] = time.Since(begin)
	}
	return all, nil
}

// all makes calls on many connections, depth of them waiting on each.
func (r *round) all(s *server, method string, depth int) (c cost, err error) {
	peers := make([]*peer, many)
	defer func() { closeAll(peers) }()
	if err := s.openAll(r.ctx, many, func(int) who { return r.device }, peers); err != nil {
		return c, err
	}
	return s.cost(many*manyEach, func() error {
		errs := make([]error, many)
		var wg sync.WaitGroup
		for i, p := range peers {
			wg.Go(func() { errs[i] = p.calls(method, manyEach, depth) })
		}
		wg.Wait()
		return errors.Join(errs...)
	})
}

// calls makes n calls with depth of them waiting at once. Whatever is no event is an answer.
func (p *peer) calls(method string, n, depth int) error {
	request := []byte(`{"type":"req","id":"1","method":"` + method + `","params":{}}`)
	sent, got := 0, 0
	for got < n {
		for sent < n && sent-got < depth {
			if err := p.write(request); err != nil {
				return err
			}
			sent++
		}
		raw, err := p.read()
		if err != nil {
			return err
		}
		if !bytes.HasPrefix(raw, []byte(`{"type":"event"`)) {
			got++
		}
	}
	return nil
}
