package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/atomicfile"
	"github.com/coderclaw/coderclaw/internal/lockfile"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/servicegen"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// Step is one thing that a repair does. Diff is what it changes in a file, ""
// when it changes none.
type Step struct {
	What string
	Diff string
	do   func(context.Context) error
}

// Plan lists what would make the repairable findings go away. It changes nothing.
func Plan(t Target, o Observation, findings []Finding) ([]Step, error) {
	var steps []Step
	has := func(codes ...Code) bool {
		return slices.ContainsFunc(findings, func(f Finding) bool { return f.Repairable && slices.Contains(codes, f.Code) })
	}
	p := t.Profile
	if has(StateDirMode) {
		steps = append(steps, chmod(p.StateDir, 0o700))
	}
	if has(ConfigMode) {
		steps = append(steps, chmod(p.ConfigPath, 0o600))
	}
	if has(ConfigMissing, ConfigIncomplete) {
		step, err := t.setUp()
		if err != nil {
			return nil, err
		}
		steps = append(steps, step)
	}
	if blocked(findings) {
		return steps, nil
	}
	if !slices.ContainsFunc(findings, func(f Finding) bool { return f.Repairable && isUnit(f) }) {
		return steps, nil
	}
	step, err := t.mendUnit(o)
	if err != nil {
		return nil, err
	}
	steps = append(steps, step)
	if has(UnitOldProcess, BinaryReplaced) {
		steps = append(steps, Step{What: "restart " + t.Unit.Name, do: func(ctx context.Context) error {
			return t.restartIfOld(ctx)
		}})
	}
	return steps, nil
}

// setUp adds to the config what it lacks, after a backup. What is added is named;
// the values are secrets.
func (t Target) setUp() (Step, error) {
	o := config.SetupOptions{PassEnv: t.Env}
	preview, err := config.Preview(t.Profile, o)
	if err != nil {
		return Step{}, err
	}
	s := Step{What: "set up " + t.Profile.ConfigPath}
	for _, e := range preview.Entries {
		if e.Path == t.Profile.ConfigPath && e.Note != "" {
			s.What += " (" + e.Note + ")"
		}
	}
	s.do = func(ctx context.Context) error {
		raw, err := os.ReadFile(t.Profile.ConfigPath)
		if err == nil {
			err = Backup(t.Profile, t.Profile.ConfigPath, raw)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		_, err = config.Setup(ctx, t.Profile, o)
		return err
	}
	return s, nil
}

// blocked tells whether something stands in the unit's place that a repair must not touch.
func blocked(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool {
		return f.Code == UnitForeign || f.Code == UnitNotFile || f.Code == UnitUnreadable
	})
}

func isUnit(f Finding) bool {
	return f.View == ViewDisk || f.View == ViewLoaded || f.View == ViewRunning
}

func chmod(path string, mode os.FileMode) Step {
	return Step{What: fmt.Sprintf("make %s private (%04o)", path, mode), do: func(context.Context) error { return os.Chmod(path, mode) }}
}

// mendUnit backs the unit file up, then has the installer make everything about
// the service as it should be: file, enablement, loaded copy, running process.
func (t Target) mendUnit(o Observation) (Step, error) {
	want, err := t.wanted(o)
	if err != nil {
		return Step{}, err
	}
	s := Step{What: "mend " + t.Unit.Name}
	if !bytes.Equal(want, o.Disk.Raw) {
		s.Diff = string(diff.Diff(t.Unit.Path+" (now)", o.Disk.Raw, t.Unit.Path+" (then)", want))
	}
	s.do = func(ctx context.Context) error {
		now := servicegen.Observe(t.Host.Format(), t.Unit.Path)
		if now.State != o.Disk.State || !bytes.Equal(now.Raw, o.Disk.Raw) {
			return fmt.Errorf("%s was changed since it was looked at; nothing was written, run doctor again", t.Unit.Path)
		}
		if now.State == servicegen.FileText {
			if err := Backup(t.Profile, now.Path, now.Raw); err != nil {
				return err
			}
		}
		if o.Wish != control.WantStopped && o.StateErr == nil {
			if err := t.Host.ResetFailed(ctx, t.Unit); err != nil {
				return err
			}
		}
		_, err := servicegen.Install(ctx, t.Host, t.Unit, t.Spec, servicegen.InstallOptions{NoStart: o.Wish == control.WantStopped, Offline: true})
		return err
	}
	return s, nil
}

// wanted is the text that the unit file gets.
func (t Target) wanted(o Observation) ([]byte, error) {
	if o.Disk.State != servicegen.FileText {
		return t.Spec.Render()
	}
	return servicegen.Rewrite(o.Disk.Raw, t.Spec)
}

// Backup keeps the text of a file that is about to be changed, below the state
// dir of p, where only its owner can read it.
func Backup(p profiles.Profile, path string, text []byte) error {
	dir := filepath.Join(p.StateDir, "backups")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	name := filepath.Join(dir, filepath.Base(path)+"."+time.Now().UTC().Format("20060102T150405.000")+".bak")
	return atomicfile.WriteFile(name, text, 0o600)
}

// restartIfOld restarts the service unless mending it has done so. Where only the
// program file is another one, a supervisor that can is replaced in its place, and
// of its gateways only that of the profile is restarted.
func (t Target) restartIfOld(ctx context.Context) error {
	o := Observe(ctx, t)
	found := Examine(t, o)
	has := func(c Code) bool {
		return slices.ContainsFunc(found, func(f Finding) bool { return f.Code == c })
	}
	switch {
	case has(UnitOldProcess):
	case !has(BinaryReplaced):
		return nil
	default:
		if client, _, err := control.Find(t.Profile); err == nil {
			if _, _, err = client.Reexec(ctx); err == nil {
				return client.Restart(ctx, t.Profile.Name)
			}
		}
	}
	return t.Host.Restart(ctx, t.Unit)
}

// Apply carries out the steps, one repair of a profile at a time. It stops at
// the first that fails.
func Apply(ctx context.Context, t Target, steps []Step) (err error) {
	if err := os.MkdirAll(t.Profile.StateDir, 0o700); err != nil {
		return fmt.Errorf("state dir: %w", err)
	}
	lock, err := lockfile.Acquire(ctx, filepath.Join(t.Profile.StateDir, "doctor.lock"))
	if _, held := errors.AsType[*lockfile.HeldError](err); held {
		return fmt.Errorf("another repair of profile %s is under way: %w", t.Profile.Name, err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	for _, s := range steps {
		if err := s.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", s.What, err)
		}
	}
	return nil
}

// Left tells whether a finding counts as something left.
func (f Finding) Left() bool { return !f.Repaired && f.Severity != Info }

// Compare joins what was found before a repair with what is found after it:
// what is gone counts as repaired, what is new is appended.
func Compare(before, after []Finding) []Finding {
	same := func(a, b Finding) bool { return a.Code == b.Code && a.Key == b.Key && a.Path == b.Path }
	out := slices.Clone(before)
	for i, f := range out {
		out[i].Repaired = f.Severity != Info && !slices.ContainsFunc(after, func(g Finding) bool { return same(f, g) })
	}
	for _, g := range after {
		if !slices.ContainsFunc(before, func(f Finding) bool { return same(f, g) }) {
			out = append(out, g)
		}
	}
	return out
}
