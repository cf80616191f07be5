package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/kardianos/service"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/internal/buildinfo"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor"
)

// supervisorOptions are what `up` and `supervisor run` have in common. With all,
// a reload brings in profiles that are new in the registry.
func (a *app) supervisorOptions(r *profiles.Registry, ps []profiles.Profile, all bool, origin string, log *slog.Logger) (supervisor.Options, error) {
	exe, err := proctable.Executable(a.argv0, exec.LookPath)
	if err != nil {
		return supervisor.Options{}, err
	}
	o := supervisor.Options{
		Profiles: ps, Siblings: r.List(), Home: r.Home(), RegistryPath: r.Path(), Exe: exe, Origin: origin,
		Version: buildinfo.Version(), Unit: a.ownUnit(), Environ: os.Environ(), TempDir: os.TempDir(),
		Reload:      func() ([]profiles.Profile, []profiles.Profile, error) { return a.wanted(ps, all, origin) },
		MetricsPort: r.MetricsPort(), Check: a.checkProfile, LastGood: r.LastGood(), Log: log, Orphans: true, Delegated: a.delegated,
		Look: a.lookAround, PassEnv: a.passedTo,
	}
	if self, err := proctable.Get(os.Getpid()); err == nil && len(self.Argv) > 0 {
		o.Args = self.Argv // as the service manager knows it, and not as this program may have changed it
	}
	if socket, ok := a.env("NOTIFY_SOCKET"); ok && socket != "" {
		o.Notify = func(state string) error {
			_, err := daemon.SdNotify(false, state)
			return err
		}
		if o.WatchdogInterval, err = daemon.SdWatchdogEnabled(false); err != nil {
			return o, fmt.Errorf("the service manager's watchdog settings: %w", err)
		}
	}
	return o, nil
}

// wanted are the profiles that a supervisor of ps is to run now, and all of the
// registry.
func (a *app) wanted(ps []profiles.Profile, all bool, origin string) (run, siblings []profiles.Profile, err error) {
	r, err := a.registry()
	if err != nil {
		return nil, nil, err
	}
	siblings = r.List()
	for _, p := range siblings {
		if all || slices.ContainsFunc(ps, func(o profiles.Profile) bool { return o.Name == p.Name }) {
			run = append(run, p)
		}
	}
	if origin == supervisor.OriginUp {
		for _, p := range run {
			if err := a.prepare(context.Background(), p); err != nil {
				return nil, nil, err
			}
		}
	}
	return run, siblings, nil
}

// ownUnit is the unit that started this process, "" for one that a person
// started. A shell inside of a service inherits the variables that tell; the pid
// and the parent do not lie.
func (a *app) ownUnit() string {
	if label, ok := a.env("XPC_SERVICE_NAME"); ok && label != "0" && os.Getppid() == 1 {
		return label // launchd's
	}
	if pid, ok := a.env("SYSTEMD_EXEC_PID"); ok && pid != strconv.Itoa(os.Getpid()) {
		return ""
	}
	if _, ok := a.env("INVOCATION_ID"); !ok {
		return ""
	}
	self, err := proctable.Get(os.Getpid())
	if err != nil {
		return ""
	}
	return self.Unit
}

// delegatedTime bounds the question to the service manager.
const delegatedTime = 10 * time.Second

// delegated tells whether the unit that started this process was given the control
// group to divide. A user's manager says so only when it is asked.
func (a *app) delegated(group string) bool {
	unit := a.ownUnit()
	if unit == "" || runtime.GOOS != "linux" {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), delegatedTime)
	defer cancel()
	for _, scope := range []servicegen.Scope{servicegen.ScopeUser, servicegen.ScopeSystem} {
		h := servicegen.NewSystemd(servicegen.HostOptions{Scope: scope, UID: os.Getuid(), Env: servicegen.Lookup(a.env)})
		if given, err := h.Delegated(ctx, unit); err == nil && given == group {
			return true
		}
	}
	return false
}

// checkProfile tells the supervisor whether p can be started, where it listens
// and what its gateway's environment is. The registry is that of now, so a port
// that moved into another profile's block is noticed.
func (a *app) checkProfile(ctx context.Context, p profiles.Profile) (supervisor.Checked, error) {
	lookup, env, err := config.Environment(p, a.env)
	if err != nil {
		return supervisor.Checked{Problem: err}, nil
	}
	check, err := config.CheckProfile(ctx, p, lookup)
	if err != nil {
		return supervisor.Checked{Problem: err}, nil
	}
	r, err := a.knownRegistry()
	if err != nil {
		return supervisor.Checked{}, err
	}
	if err := a.blockIsOwn(r, p, check.Port); err != nil {
		return supervisor.Checked{Problem: exitcode.With(exitcode.Busy, err)}, nil
	}
	out := supervisor.Checked{Addrs: check.Addrs, Port: check.Port, Scheme: check.Snapshot.Config.Gateway.TLS.Scheme(), Hash: check.Hash, Env: env}
	if h, ok := statelock.Find(p); ok {
		out.InUse = fmt.Errorf("gateway pid %d runs on state dir %s, started by hand; end it, and this one starts", h.PID, p.StateDir)
	}
	if out.Whole, err = check.Snapshot.Whole(); err != nil {
		out.Whole = nil // what JSON cannot say is not kept
	}
	out.Live, out.Serving = probes(check, p.StateDir, lookup)
	return out, nil
}

// blockIsOwn tells whether a gateway of p may listen on port: neither the port
// nor the rest of the block that moves with it is another profile's, wherever the
// registry or that profile's config has put it.
func (a *app) blockIsOwn(r *profiles.Registry, p profiles.Profile, port int) error {
	if owner, taken := r.Owner(port, p.Name); taken {
		return fmt.Errorf("port %d belongs to profile %s", port, owner.Name)
	}
	if port == p.Port {
		return nil // the registry sees to that
	}
	own := profiles.Block{Base: port}
	if m := r.MetricsPort(); own.Contains(m) {
		return fmt.Errorf("the ports %d-%d hold supervisor.metrics_port %d of the registry", own.Base, own.Last(), m)
	}
	for _, other := range r.List() {
		if other.Name == p.Name {
			continue
		}
		if b := other.Block(); b.Overlaps(own) {
			return fmt.Errorf("the ports %d-%d overlap with %d-%d of profile %s", own.Base, own.Last(), b.Base, b.Last(), other.Name)
		}
		if moved := a.configuredPort(other); moved != 0 && (profiles.Block{Base: moved}).Overlaps(own) {
			return fmt.Errorf("the ports %d-%d overlap with those of profile %s, whose gateway.port is %d", own.Base, own.Last(), other.Name, moved)
		}
	}
	return nil
}

// runSupervisor runs s as the service manager of this system expects it: on
// Windows under the service control manager, elsewhere until ctx ends.
func runSupervisor(ctx context.Context, s *supervisor.Supervisor) error {
	if runtime.GOOS == "linux" {
		return s.Run(ctx) // on this goroutine, see main; systemd needs nothing else
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &program{ctx: ctx, cancel: cancel, run: s.Run, done: make(chan struct{})}
	svc, err := service.New(p, &service.Config{
		Name: "coderclaw",
		Option: service.KeyValue{
			// Signals end ctx already; this also ends the service when the supervisor ends by itself.
			"RunWait": func() {
				select {
				case <-p.done:
				case <-ctx.Done():
				}
			},
		},
	})
	if errors.Is(err, service.ErrNoServiceSystemDetected) {
		return s.Run(ctx)
	}
	if err != nil {
		return err
	}
	if err := svc.Run(); err != nil {
		return err
	}
	return p.err
}

// program is the supervisor as kardianos/service wants it: Start returns at
// once, Stop waits until nothing of the supervisor is left.
type program struct {
	ctx    context.Context // of the one Run; service.Interface has no parameter for it
	cancel context.CancelFunc
	run    func(context.Context) error
	done   chan struct{}
	err    error // valid once done is closed
}

func (p *program) Start(service.Service) error {
	go func() {
		defer close(p.done)
		p.err = p.run(p.ctx)
	}()
	return nil
}

func (p *program) Stop(service.Service) error {
	p.cancel()
	<-p.done
	return nil
}

// prepare makes the profile ready to run: what setup would create is created.
func (a *app) prepare(ctx context.Context, p profiles.Profile) error {
	report, err := config.Setup(ctx, p, config.SetupOptions{PassEnv: a.env})
	if err != nil {
		return fmt.Errorf("profile %s: %w", p.Name, err)
	}
	made := 0
	for _, e := range report.Entries {
		if e.Action != config.Kept {
			made++
		}
	}
	if made > 0 {
		fmt.Fprintf(a.stderr, "set up profile %s in %s\n", p.Name, p.StateDir)
	}
	return nil
}

// requestTimeout bounds a request to a supervisor that needs no waiting for a gateway.
const requestTimeout = 5 * time.Second
