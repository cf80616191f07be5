//go:build linux

package supbench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lmittmann/tint"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// spec is what the supervisor's process is told.
type spec struct {
	Profiles []profiles.Profile
	Registry string
	Child    string         // the program to supervise
	Ports    map[string]int // of each profile
	Lines    bool           // report when the last line is stored
	Pprof    string         // directory for what pprof sees; "" for none
}

// reportFD is where the supervisor's process reports.
const reportFD = 3

// Supervise is the supervisor's process: the real one, over children that are
// next to nothing. It ends when ctx does.
func Supervise(ctx context.Context, specFile string) (err error) {
	raw, err := os.ReadFile(specFile)
	if err != nil {
		return err
	}
	var sp spec
	if err := json.Unmarshal(raw, &sp); err != nil {
		return fmt.Errorf("%s: %w", specFile, err)
	}
	runtime.MemProfileRate = 0 // as in the product, which links nothing that asks for it
	if sp.Pprof != "" {
		stop, err := profile(sp.Pprof)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	reports := os.NewFile(reportFD, "reports")
	say := func(k kind, value int) {
		at, err := now()
		if err == nil {
			_, err = reports.Write(record{at: at, pid: os.Getpid(), kind: k, value: value}.bytes())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "report:", err) // the benchmark waits in vain and shows this
		}
	}
	o := supervisor.Options{
		Profiles: sp.Profiles, RegistryPath: sp.Registry, Exe: sp.Child, Origin: supervisor.OriginRun, Version: "bench",
		Environ: os.Environ(), TempDir: os.TempDir(),
		Log: slog.New(tint.NewTextHandler(os.Stderr, &tint.Options{Level: slog.LevelInfo, TimeFormat: time.TimeOnly, NoColor: true})),
		Check: func(_ context.Context, p profiles.Profile) (supervisor.Checked, error) {
			port := sp.Ports[p.Name]
			addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))
			return supervisor.Checked{Addrs: []netip.AddrPort{addr}, Port: port, Hash: "1"}, nil
		},
		OnStatus: func(st control.Status) {
			restarts := 0
			for _, i := range st.Instances {
				if i.State != instance.Ready {
					return
				}
				restarts += i.Restarts
			}
			say(allReady, restarts)
		},
	}
	if sp.Lines {
		end := fmt.Appendf(nil, "%09d", printedLines-1)
		o.Lines = func(_ string, batch []byte) {
			if len(batch) >= lineSize && bytes.HasPrefix(batch[len(batch)-lineSize:], end) {
				say(allStored, 0)
			}
		}
	}
	s, err := supervisor.New(o)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// profile writes the processor profile of the process's life to dir and, at
// each SIGHUP, the heap, the goroutines and what the runtime holds.
func profile(dir string) (stop func() error, err error) {
	runtime.MemProfileRate = 32 << 10 // finer costs so much that the processor profile shows it
	f, err := os.Create(filepath.Join(dir, "cpu.pprof"))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	wanted := make(chan os.Signal, 1)
	signal.Notify(wanted, syscall.SIGHUP)
	var failed error
	var writer sync.WaitGroup
	writer.Go(func() {
		for range wanted {
			failed = errors.Join(failed, memory(filepath.Join(dir, "memory.txt")))
			runtime.GC() // the heap profile is that of the last collection
			for _, name := range []string{"heap", "goroutine"} {
				failed = errors.Join(failed, lookup(name, filepath.Join(dir, name+".pprof")))
			}
		}
	})
	return func() error {
		pprof.StopCPUProfile()
		signal.Stop(wanted)
		close(wanted)
		writer.Wait()
		return errors.Join(failed, f.Close())
	}, nil
}

// memory writes what the runtime's memory is taken for, in bytes.
func memory(path string) error {
	all := metrics.All()
	var samples []metrics.Sample
	for _, d := range all {
		if strings.HasPrefix(d.Name, "/memory/classes/") || d.Name == "/gc/cycles/total:gc-cycles" {
			samples = append(samples, metrics.Sample{Name: d.Name})
		}
	}
	metrics.Read(samples)
	var text bytes.Buffer
	for _, s := range samples {
		fmt.Fprintf(&text, "%12d %s\n", s.Value.Uint64(), s.Name)
	}
	return os.WriteFile(path, text.Bytes(), 0o600)
}

func lookup(name, path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup(name).WriteTo(f, 0), f.Close())
}
