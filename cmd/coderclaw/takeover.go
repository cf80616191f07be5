package main

import (
	"context"
	"errors"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/servicegen"
)

// install is servicegen.Install, apart from repairs of the same profile, with a
// journal of what is taken over by force. taken is the journal's ID, "" when
// nothing was taken over.
func (a *app) install(ctx context.Context, s unitService, o servicegen.InstallOptions) (report servicegen.InstallReport, taken string, err error) {
	r, err := a.registry()
	if err != nil {
		return report, "", err
	}
	lock, err := doctor.Lock(ctx, s.profile)
	if err != nil {
		return report, "", err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	var taking *doctor.Taking
	o.Keep = func(path string, _ []byte) (err error) {
		t := doctor.Target{Profile: s.profile, Host: s.host, Unit: s.unit, Spec: s.spec, Env: a.env, Registry: r.Path(), KeyFile: doctorKey(r)}
		taking, err = doctor.Take(ctx, t, "take over "+path)
		return err
	}
	report, err = servicegen.Install(ctx, s.host, s.unit, s.spec, o)
	if taking == nil {
		return report, "", err
	}
	return report, taking.ID(), errors.Join(err, taking.Close(context.WithoutCancel(ctx)))
}
