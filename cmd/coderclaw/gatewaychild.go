package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"

	"github.com/coderclaw/coderclaw/gateway"
	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/internal/buildinfo"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/handoff"
	"github.com/coderclaw/coderclaw/internal/sdnotify"
	"github.com/coderclaw/coderclaw/profiles"
)

// gatewaySupervised runs the gateway as a supervisor's child: identity, secrets
// and listeners come over inherited descriptors, log lines go to stderr as JSON,
// and the end of the hand-off pipe ends the process at once.
func (a *app) gatewaySupervised(ctx context.Context) error {
	pipe, err := a.inheritedFD(handoff.EnvParentFD)
	if err != nil {
		return err
	}
	defer pipe.Close()
	msg, err := handoff.Read(pipe)
	if err != nil {
		return err
	}
	p := profiles.Profile{Name: msg.Profile, Port: msg.Port, StateDir: msg.StateDir,
		ConfigPath: msg.ConfigPath, Workspace: msg.Workspace, Drain: msg.Drain}
	isolation, err := a.isolate(p, msg.Isolation) // before anything is read that others could have written
	if err != nil {
		return err
	}
	listeners, err := a.inheritedListeners()
	if err != nil {
		return err
	}
	lookup := func(name string) (string, bool) { v, ok := msg.Env[name]; return v, ok }
	snap, err := config.LoadProfile(p, lookup)
	if err != nil {
		return err
	}
	if err := snap.Err(); err != nil {
		return err
	}
	settings, err := auth.Resolve(snap.Config.Gateway, lookup, auth.Flags{Setup: hint(p, "setup")})
	if err != nil {
		return err
	}
	encrypted, err := serverTLS(snap, p)
	if err != nil {
		return err
	}
	lock, err := statelock.Take(p, introduction(snap, settings))
	if err != nil {
		return err
	}
	defer lock.Close()
	if len(listeners) == 0 {
		if listeners, err = a.listenAll(ctx, snap.Config.Gateway.Bind, snap.Config.Gateway.CustomBindHost, p.Port); err != nil {
			return err
		}
	}

	log := slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: logLevel(snap.Config.Logging.Level)}))
	if msg.Degraded != "" {
		log.Warn(msg.Degraded)
	}
	logIsolation(ctx, log, isolation)
	local := ticketSocket(p, log)
	notifySocket, _ := a.env("NOTIFY_SOCKET")
	g, err := gateway.New(gateway.Options{
		Profile: msg.Profile, Instance: msg.Instance, StateDir: p.StateDir, ConfigPath: p.ConfigPath,
		LogDir: p.LogDir(), Port: p.Port, Listeners: listeners, Config: snap, Auth: settings, Degraded: msg.Degraded,
		LoadConfig: func() (*config.Snapshot, error) { return config.LoadProfile(p, lookup) },
		Version:    buildinfo.Version(), Commit: buildinfo.Commit(), Drain: msg.Drain, Log: log, TLS: encrypted, Isolation: isolation, Local: local, Rescue: rescueOf(msg),
		Ready: func() {
			log.Info("gateway ready", "port", p.Port, "profile", p.Name, "pid", os.Getpid())
			if notifySocket == "" {
				return
			}
			if err := sdnotify.Send(notifySocket, "READY=1", "X_CODERCLAW_INSTANCE="+msg.Instance); err != nil {
				log.Error("the supervisor cannot be told that the gateway is ready", "err", err)
			}
		},
	})
	if err != nil {
		return err
	}
	ctx, cancel := drainOnSignal(ctx, log)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- g.Serve(ctx) }()
	select {
	case err := <-served:
		return err
	case err := <-endOfPipe(pipe):
		// Nobody is left who could want an orderly stop, and the next supervisor wants the port and the lock now.
		log.Error("the supervisor is gone, so the gateway ends", "err", err)
		return exitcode.With(exitcode.Failed, errQuiet)
	}
}

// introduction is what a gateway says of itself in its lock.
func introduction(snap *config.Snapshot, s auth.Settings) statelock.Said {
	said := statelock.Said{Scheme: snap.Config.Gateway.TLS.Scheme()}
	if s.Mode == config.AuthToken && s.Token != "" {
		said.TokenSource, said.Token = s.TokenSource, auth.Fingerprint(s.Token)
	}
	return said
}

// endOfPipe reports when the supervisor's end of the hand-off pipe is closed.
func endOfPipe(pipe io.Reader) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, pipe)
		done <- err
	}()
	return done
}

// inheritedFD opens the descriptor whose number the variable holds.
func (a *app) inheritedFD(variable string) (*os.File, error) {
	n, err := a.envInt(variable)
	if err != nil {
		return nil, err
	}
	return openInherited(n, variable)
}

func (a *app) envInt(variable string) (int, error) {
	text, _ := a.env(variable)
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 1024 {
		return 0, usageError("%s=%q is not what a supervisor sets; unset it to run a gateway by hand", variable, text)
	}
	return n, nil
}

// inheritedListeners turns the descriptors from handoff.FirstFD on into listeners.
func (a *app) inheritedListeners() ([]net.Listener, error) {
	if text, ok := a.env(handoff.EnvListenFDs); !ok || text == "" {
		return nil, nil
	}
	count, err := a.envInt(handoff.EnvListenFDs)
	if err != nil {
		return nil, err
	}
	var out []net.Listener
	for i := range count {
		f, err := openInherited(handoff.FirstFD+i, handoff.EnvListenFDs)
		if err != nil {
			return nil, err
		}
		l, err := net.FileListener(f) // a duplicate, so f is closed
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("inherited listener %d: %w", handoff.FirstFD+i, err)
		}
		out = append(out, l)
	}
	return out, nil
}
