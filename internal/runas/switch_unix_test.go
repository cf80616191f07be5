//go:build unix

package runas

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
)

// dirVar names the directory in which a re-executed test binary switches: the
// identity is the whole process's, and other tests run beside.
const dirVar = "RUNAS_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(dirVar); dir != "" {
		if err := switching(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestSwitch(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can act as somebody else")
	}
	dir, err := os.MkdirTemp("", "runas")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), dirVar+"="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// switching goes back and forth and looks each time who it is.
func switching(dir string) error {
	a, err := Lookup(context.Background(), "nobody")
	if err != nil {
		return err
	}
	before, err := syscall.Getgroups()
	if err != nil {
		return err
	}
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("s"), 0o600); err != nil {
		return err
	}
	s, err := NewSwitch(a)
	if err != nil {
		return err
	}
	stop := errors.New("stop")
	err = s.AsUser(func() error {
		if err := s.AsUser(func() error { return makes(dir, a.UID, a.GID) }); err != nil {
			return err
		}
		if _, err := os.ReadFile(secret); !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("the file of root: %v", err)
		}
		if err := s.AsRoot(func() error {
			if err := makes(dir, 0, os.Getgid()); err != nil {
				return err
			}
			return s.AsUser(func() error { return makes(dir, a.UID, a.GID) })
		}); err != nil {
			return err
		}
		if err := makes(dir, a.UID, a.GID); err != nil {
			return err
		}
		return stop
	})
	if !errors.Is(err, stop) {
		return err
	}
	if after, err := syscall.Getgroups(); err != nil || !slices.Equal(before, after) {
		return fmt.Errorf("groups went from %v to %v, %w", before, after, err)
	}
	return makes(dir, 0, os.Getgid())
}

// makes makes files on several threads and looks whose they are.
func makes(dir string, uid, gid int) error {
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			path := filepath.Join(dir, fmt.Sprint("file", i))
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				errs[i] = err
				return
			}
			info, err := os.Stat(path)
			if err != nil {
				errs[i] = err
				return
			}
			if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != uid || int(st.Gid) != gid {
				errs[i] = fmt.Errorf("%s: made by %d:%d, want %d:%d", path, st.Uid, st.Gid, uid, gid)
			}
			errs[i] = errors.Join(errs[i], os.Remove(path))
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
