package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/coderclaw/coderclaw/internal/proctable"
)

// usable tells whether the account of a service of the machine can use what the
// service needs: the program, and what is there of the profile. The process acts as
// the account.
func (s unitService) usable() error {
	account, program := s.site.account, s.spec.Exec[0]
	if err := executable(program); err != nil {
		return fmt.Errorf("user %s cannot run %s (%w); put the program where every user can, such as /usr/local/bin, and run it from there", account.Name, program, err)
	}
	if account.Root() {
		if loose, err := looseAbove(program); err != nil {
			return err
		} else if loose != "" {
			return fmt.Errorf("a service of root would run %s, and %s may be changed by others than root; put the program where only root can, such as /usr/local/bin, and run it from there", program, loose)
		}
	}
	p := s.profile
	for _, path := range []string{p.StateDir, p.ConfigPath, p.LogDir(), p.Workspace, p.EnvFile()} {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("user %s cannot use profile %s: %w", account.Name, p.Name, err)
		}
		if uid, known := ownerID(info); known && uid != account.UID {
			return fmt.Errorf("user %s cannot use profile %s: %s belongs to user %s; give it to %s with: sudo chown -R %s %s",
				account.Name, p.Name, path, proctable.UserName(uid), account.Name, shellWord(account.Name+":"), shellWord(path))
		}
	}
	return nil
}

// looseAbove is the part of the path, links resolved, that others than root may
// change, "" if there is none. What lies in a sticky directory is its owner's.
func looseAbove(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	for p := real; ; p = filepath.Dir(p) {
		info, err := os.Stat(p)
		if err != nil {
			return "", err
		}
		uid, known := ownerID(info)
		open := info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0
		if known && uid != 0 || open {
			return p, nil
		}
		if filepath.Dir(p) == p {
			return "", nil
		}
	}
}
