//go:build linux

// Package rpcbench owns the benchmark of the gateway's protocol: how fast it
// answers, lets clients in, and tells ten thousand of them one thing, and what each of
// them weighs while it is idle. The gateway runs in a process of its own and
// the clients in another; each figure stands beside that of a bare coder/websocket echo
// server with the same clients in the same round, since what a machine can do
// changes from minute to minute and what the protocol costs does not.
//
// What the floor does: a call is the same request sent back; a handshake is the upgrade
// and the connect request sent back; a broadcast is one loop that writes the same
// bytes to every client.
//
// Clients and server share the processors, so what each of them takes of them is told too.
// It hardly depends on who else works on the machine, and is what changes are to be judged
// by: a rate is at most the number of processors divided by the sum of both.
//
// What was found with it, and must stay so: to let a client in writes no file, tells nobody
// else and keeps nothing of the handshake; what everybody is told is encoded once; the list of those
// present is bounded, and an entry is encoded when it changes, not when it is asked for; an idle
// client has one goroutine on a small stack, and small buffers; no read or write has a context
// that can end, since the library starts a watcher for each.
package rpcbench

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/coderclaw/coderclaw/cmd/bench/launch"
	"github.com/coderclaw/coderclaw/cmd/bench/table"
)

// Build builds a package of this module as it is released.
type Build func(ctx context.Context, out, pkg string) error

// Options says what is measured and how often. All are required but Gateway.
type Options struct {
	Build   Build
	Out     io.Writer
	Rounds  int    // of which the best counts
	Crowd   int    // clients that are idle, and told one thing
	Storm   int    // clients that come at once
	Parts   []Part // what is measured, in this order
	Gateway string // a gateway that was built before, "" to build it
}

// The bars: what the design demands on two processors.
const (
	barP50       = 0.150  // ms, health on one connection
	barCalls     = 50_000 // /s, on 50 connections
	barHandshake = 2_000  // /s
	barBroadcast = 150    // ms, to 10 000
	barIdle      = 18     // kB, for each idle client
	barEvents    = 2      // for each client of a storm: its own health, and one for those who leave
)

// Part is a part of the benchmark.
type Part struct {
	Name string
	run  func(*round) error
}

// Parts are all there are.
func Parts() []Part {
	return []Part{{"calls", (*round).calls}, {"handshakes", (*round).handshakes}, {"crowd", (*round).crowd}, {"storm", (*round).storm}}
}

// round is one part with both servers fresh.
type round struct {
	*Options
	ctx         context.Context
	table       *table.Table
	ours, floor *server
	device      who
}

// Run measures and prints. It leaves no process and no file behind.
func Run(ctx context.Context, o Options) (err error) {
	dir, err := os.MkdirTemp("", "coderclaw-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	echo := filepath.Join(dir, "echo")
	if err := o.Build(ctx, echo, "./cmd/bench/rpcbench/echo"); err != nil {
		return err
	}
	if o.Gateway == "" {
		o.Gateway = filepath.Join(dir, "coderclaw")
		if err := o.Build(ctx, o.Gateway, "./cmd/coderclaw"); err != nil {
			return err
		}
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(o.Out, "Best (median) of %d rounds. Floor: a bare coder/websocket echo server in a process of its own, the same clients.\n", o.Rounds)
	for _, p := range o.Parts {
		r := &round{Options: &o, ctx: ctx, table: &table.Table{Title: p.Name}, device: who{key: key, mode: "backend", instance: "bench"}}
		for range o.Rounds {
			if err := r.measure(dir, echo, p); err != nil {
				return fmt.Errorf("%s: %w", p.Name, err)
			}
		}
		if err := r.table.Print(o.Out); err != nil {
			return err
		}
	}
	return nil
}

// measure does one part once.
func (r *round) measure(dir, echo string, p Part) (err error) {
	bare, _, err := launch.Program(r.ctx, echo)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.End()) }()
	gateway, _, err := launch.Gateway(r.ctx, r.Gateway, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, gateway.End()) }()
	r.floor, r.ours = newServer(bare, true), newServer(gateway, false)
	for _, s := range []*server{r.floor, r.ours} { // both are up, and the device is paired
		first, err := s.open(r.ctx, r.device)
		if err != nil {
			return err
		}
		first.close()
	}
	return p.run(r)
}
