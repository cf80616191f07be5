package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// serviceInstall makes the profile's service run, as one transaction: at its end
// the service is proven to run what it should, or everything is as it was.
//
// A gateway that cannot become ready for a cause outside of its service, such as a
// port that somebody holds, is no reason to undo: the supervisor stays up and starts
// it when the cause is gone. The command then says so and fails. Only where the
// gateway was ready before is the old service put back.
func (a *app) serviceInstall(ctx context.Context, s unitService, c *cli.Command) (serviceResult, error) {
	if err := a.mayInstall(ctx, s, c); err != nil {
		return serviceResult{}, fmt.Errorf("nothing was installed: %w", err)
	}
	if err := a.prepare(ctx, s.profile); err != nil {
		return serviceResult{}, fmt.Errorf("nothing was installed: %w", err)
	}
	check, err := a.checkProfile(ctx, s.profile)
	if err == nil {
		err = check.Problem
	}
	if err != nil {
		return serviceResult{}, fmt.Errorf("nothing was installed: %w", err)
	}
	unlock, err := lockService(ctx, s.profile)
	if err != nil {
		return serviceResult{}, err
	}
	defer unlock()
	unwish := s.keepWish()
	if err := wish(s.profile, control.WantRunning); err != nil {
		return serviceResult{}, err
	}
	o := servicegen.InstallOptions{Force: c.Bool("force"), Offline: true}
	s.chooseSocket(c, check, &o)
	proof := a.prover(ctx, s, check)
	report, taken, err := a.installUnit(ctx, s, o, proof)
	if err != nil {
		unwish()
		return serviceResult{}, err
	}
	return a.outcome(ctx, s, report, taken, proof)
}

// installUnit has the files written and the manager told, with the rights for that.
// taken is the ID of the journal of what was taken over by force, "" when nothing was.
func (a *app) installUnit(ctx context.Context, s unitService, o servicegen.InstallOptions, proof *prover) (report servicegen.InstallReport, taken string, err error) {
	r, err := a.registry()
	if err != nil {
		return report, "", err
	}
	var taking *doctor.Taking
	o.Keep = func(path string, _ []byte) (err error) { // as root in system scope, whose journals are root's alone
		taking, err = doctor.Take(ctx, a.lookAt(s, r), "take over "+path)
		return err
	}
	o.Prove = func(ctx context.Context, state servicegen.State) error {
		return s.site.asUser(func() error { return proof.prove(ctx, state) })
	}
	err = s.site.asRoot(func() error {
		report, err = servicegen.Install(ctx, s.host, s.unit, s.spec, o)
		return err
	})
	if taking == nil {
		return report, "", err
	}
	closed := s.site.asRoot(func() error { return taking.Close(context.WithoutCancel(ctx)) })
	return report, taking.ID(), errors.Join(err, closed)
}

// outcome is what install says when the service is there.
func (a *app) outcome(ctx context.Context, s unitService, report servicegen.InstallReport, taken string, proof *prover) (serviceResult, error) {
	where := firstOf(report.Path, s.unit.Name)
	res := serviceResult{Result: "installed", Message: "Installed " + s.words().noun + " service: " + where}
	if !report.Changed() {
		res.Result, res.Message = "already-installed", "Gateway service already "+s.words().on+": "+where
	}
	if proof.renewed {
		res.Result, res.Message = "renewed", "Renewed "+s.words().noun+" service: "+where
		res.Hints = append(res.Hints, "It ran an older file of its program, and now runs this one; no client was refused.")
	}
	if report.TakenOver != "" {
		res.Warnings = append(res.Warnings, "replaced a service file that was not ours; to give it back: "+hint(s.profile, "doctor undo "+taken))
	}
	for _, d := range report.DropIns {
		res.Warnings = append(res.Warnings, "kept the drop-in "+d+", which changes what the unit says")
	}
	if report.Pending {
		res.Warnings = append(res.Warnings, a.whenItStarts(ctx, s))
		return res, nil
	}
	if report.SocketErr != nil {
		res.Warnings = append(res.Warnings, "the socket unit cannot listen, so the service does that itself: "+report.SocketErr.Error())
	}
	res.Hints = append(res.Hints, "Logs: "+s.profile.LogDir())
	res.Warnings = append(res.Warnings, proof.notes...)
	return res, proof.unready
}

// keepWish remembers what a person last asked for, and returns what asks for that
// again. An error is not worth a word beside that of what failed.
func (s unitService) keepWish() (restore func()) {
	before := control.Wanted(s.profile)
	return func() {
		if before == "" {
			_ = os.Remove(s.profile.DesiredFile())
			return
		}
		_ = wish(s.profile, before)
	}
}

// mayInstall looks for what stands against a service in this place.
func (a *app) mayInstall(ctx context.Context, s unitService, c *cli.Command) error {
	if c.IsSet("socket") && s.host.Format() != servicegen.FormatSystemd {
		return usageError("--socket is for services under systemd")
	}
	if err := a.mayManage(s, "install"); err != nil {
		return err
	}
	if err := a.onlyService(ctx, s); err != nil {
		return err
	}
	if err := s.otherRegistry(); err != nil && !c.Bool("force") {
		return err
	}
	if info, foreign := s.foreignSupervisor(ctx); foreign {
		return exitcode.With(exitcode.Busy, fmt.Errorf("profile %s is run by supervisor pid %d%s; end it first with: %s",
			s.profile.Name, info.PID, unitNote(info.Unit), stopHint(s.profile, info)))
	}
	if s.machines() {
		return s.usable()
	}
	return nil
}

// foreignSupervisor tells of a supervisor of the profile that its unit did not start.
func (s unitService) foreignSupervisor(ctx context.Context) (control.LockInfo, bool) {
	_, info, err := control.Find(s.profile)
	if err != nil {
		return info, false
	}
	state, err := s.host.State(ctx, s.unit)
	if err == nil && state.MainPID != 0 { // a user's unit and the machine's have one name
		return info, state.MainPID != info.PID
	}
	return info, info.Unit != s.unit.Name || err == nil && s.host.Format() != servicegen.FormatKardianos
}
