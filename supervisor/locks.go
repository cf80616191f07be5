package supervisor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/lockfile"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// takeLocks takes the supervisor lock of every profile, or none.
func (s *Supervisor) takeLocks() ([]*lockfile.Lock, error) {
	var locks []*lockfile.Lock
	for _, p := range s.o.Profiles {
		l, err := s.o.Inherited.lock(p)
		if l == nil && err == nil {
			l, err = takeLock(p)
		}
		if err != nil {
			return nil, errors.Join(err, closeAll(locks))
		}
		locks = append(locks, l)
	}
	return locks, nil
}

func takeLock(p profiles.Profile) (*lockfile.Lock, error) {
	if err := os.MkdirAll(p.StateDir, 0o700); err != nil {
		return nil, stateDirError(p, err)
	}
	if err := ownStateDir(p, os.Getuid()); err != nil {
		return nil, err
	}
	l, err := lockfile.TryLock(p.SupervisorLock())
	if held, ok := errors.AsType[*lockfile.HeldError](err); ok {
		return nil, exitcode.With(exitcode.Busy, heldBy(p, held.Content))
	}
	if err != nil {
		return nil, stateDirError(p, err)
	}
	return l, nil
}

// heldBy names the supervisor that runs p already, and how to end it.
func heldBy(p profiles.Profile, content []byte) error {
	var first control.LockInfo
	if err := json.Unmarshal(content, &first); err != nil { // it writes when it can be asked
		return fmt.Errorf("profile %s is run by another supervisor, which is just starting; see: coderclaw ps", p.Name)
	}
	end := fmt.Sprintf("kill %d", first.PID)
	switch {
	case first.Unit != "":
		end = "coderclaw " + p.Flag() + "gateway stop"
	case first.Origin == OriginUp:
		end = "coderclaw down"
	}
	return fmt.Errorf("profile %s is run by supervisor pid %d%s; end it first with: %s", p.Name, first.PID, ofUnit(first.Unit), end)
}

// stateDirError says which directory cannot be used, whose it is and what to do.
func stateDirError(p profiles.Profile, err error) error {
	if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, errReadOnly) {
		return fmt.Errorf("profile %s: state dir %s: %w", p.Name, p.StateDir, err)
	}
	// What cannot be written may be a directory above the state dir that is still to be made.
	dir := p.StateDir
	for filepath.Dir(dir) != dir {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	return fmt.Errorf("profile %s: state dir %s is not writable: %s %s; make it writable for %s, or give the profile another state_dir in the registry: %w",
		p.Name, p.StateDir, dir, ownership(dir), me(), err)
}

func ofUnit(unit string) string {
	if unit == "" {
		return ""
	}
	return " of unit " + unit
}

// writeLocks lets others find the supervisor.
func (s *Supervisor) writeLocks(locks []*lockfile.Lock, socket string) error {
	start, err := proctable.StartTime(os.Getpid())
	if err != nil {
		return fmt.Errorf("own start time: %w", err)
	}
	content, err := json.Marshal(control.LockInfo{PID: os.Getpid(), StartTime: start, Started: s.started.Round(time.Millisecond),
		Unit: s.o.Unit, Socket: socket, Origin: s.o.Origin, Version: s.o.Version})
	if err != nil {
		return err
	}
	for _, l := range locks {
		if err := l.SetContent(append(content, '\n')); err != nil {
			return err
		}
	}
	return nil
}

func closeAll[C io.Closer](list []C) error {
	var errs []error
	for _, c := range list {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
