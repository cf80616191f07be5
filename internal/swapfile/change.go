package swapfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/coderclaw/coderclaw/internal/atomicfile"
)

// ChangedError says that something else stands at a path than was seen there. The
// path is as whoever changed it left it.
type ChangedError struct {
	Path       string
	Want, Have Place
	Kept       string // where a version lies that came and went meanwhile, "" if none did
}

func (e *ChangedError) Error() string {
	text := fmt.Sprintf("%s was changed meanwhile: it was %s and is %s", e.Path, e.Want, e.Have)
	if e.Kept != "" {
		text += "; a version between the two is kept in " + e.Kept
	}
	return text
}

// Change is one path that is to become something else.
type Change struct {
	Path     string
	From, To Place  // what has to stand there, and what then does
	Data     []byte // the content of To when it is another than that of From
	// Spare is a path in the same directory at which nothing stands. After a crash
	// the old or the new may lie there, see Settle.
	Spare string
}

// chmod tells whether nothing but permissions change. The content is then left
// alone, whatever it is.
func (c Change) chmod() bool {
	return c.From.Kind == c.To.Kind && (c.To.Kind == Dir || c.To.Kind == File && c.From.Hash == c.To.Hash)
}

// Do makes the change if From stands at Path, else it returns a *ChangedError and
// what stands there stays. A directory is removed only when it is empty.
func (c Change) Do() error {
	err := c.do()
	if err == nil {
		return nil
	}
	if changed, ok := errors.AsType[*ChangedError](err); ok {
		return changed
	}
	return fmt.Errorf("change %s: %w", c.Path, err)
}

func (c Change) do() error {
	if c.From.Kind == Other || c.To.Kind == Other || c.From.Kind == "" || c.To.Kind == "" {
		return fmt.Errorf("from %s to %s: cannot be done", c.From, c.To)
	}
	if c.To.Kind == File && !c.chmod() && Hash(c.Data) != c.To.Hash {
		return errors.New("the content that it is to have is missing")
	}
	switch from, to := c.From.Kind, c.To.Kind; {
	case c.From == c.To:
		return c.verify()
	case c.chmod():
		return c.chmodNow()
	case from == Missing && to == Dir:
		return c.mkdir()
	case from == Missing:
		return c.create()
	case from == Dir && to == Missing:
		return c.rmdir()
	case from == Dir || to == Dir:
		return fmt.Errorf("from %s to %s: cannot be done in one step", c.From, c.To)
	case to == Missing:
		return c.remove()
	default:
		return c.replace()
	}
}

// verify looks whether From stands at the path.
func (c Change) verify() error {
	have, _, err := Look(c.Path)
	if err == nil && have != c.From {
		err = &ChangedError{Path: c.Path, Want: c.From, Have: have}
	}
	return err
}

func (c Change) chmodNow() error {
	f, err := openAny(c.Path)
	if errors.Is(err, fs.ErrPermission) { // closed to its owner: by name, then
		return c.chmodByName()
	}
	if err != nil {
		return c.orChanged(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() != (c.From.Kind == Dir) || ModeOf(info.Mode()) != c.From.Mode {
		return c.orChanged(errors.New("it is another file"))
	}
	if err := f.Chmod(c.To.Mode.FileMode()); err != nil {
		return err
	}
	return errors.Join(f.Sync(), atomicfile.SyncDir(filepath.Dir(c.Path)))
}

func (c Change) chmodByName() error {
	info, err := os.Lstat(c.Path)
	if err != nil {
		return c.orChanged(err)
	}
	if info.IsDir() != (c.From.Kind == Dir) || info.Mode()&fs.ModeSymlink != 0 || ModeOf(info.Mode()) != c.From.Mode {
		return c.orChanged(errors.New("it is another file"))
	}
	if err := os.Chmod(c.Path, c.To.Mode.FileMode()); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(c.Path))
}

// orChanged is a *ChangedError when what stands at the path is not From, else err.
func (c Change) orChanged(err error) error {
	have, _, lookErr := Look(c.Path)
	if lookErr == nil && have != c.From {
		return &ChangedError{Path: c.Path, Want: c.From, Have: have}
	}
	return err
}

func (c Change) mkdir() error {
	if err := os.Mkdir(c.Path, 0o700); err != nil {
		return c.orChanged(err)
	}
	if err := os.Chmod(c.Path, c.To.Mode.FileMode()); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(c.Path))
}

func (c Change) rmdir() error {
	if err := c.verify(); err != nil {
		return err
	}
	if err := os.Remove(c.Path); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(c.Path))
}

// create puts To where nothing stands.
func (c Change) create() error {
	if c.To.Kind == Link {
		if err := os.Symlink(c.To.Target, c.Path); err != nil {
			return c.orChanged(err)
		}
		return atomicfile.SyncDir(filepath.Dir(c.Path))
	}
	if err := c.prepare(nil); err != nil {
		return err
	}
	if err := putNew(c.Spare, c.Path); err != nil {
		return errors.Join(c.orChanged(err), removeIfThere(c.Spare))
	}
	return atomicfile.SyncDir(filepath.Dir(c.Path))
}

// prepare makes To at Spare, owned by whoever owns old.
func (c Change) prepare(old fs.FileInfo) (err error) {
	if c.To.Kind == Link {
		return os.Symlink(c.To.Target, c.Spare)
	}
	f, err := os.OpenFile(c.Spare, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(c.Spare))
		}
	}()
	if _, err := f.Write(c.Data); err != nil {
		return err
	}
	if err := own(f, old); err != nil {
		return err
	}
	if err := f.Chmod(c.To.Mode.FileMode()); err != nil {
		return err
	}
	return f.Sync()
}

// replace puts To in the place of From. Where the system can exchange two names
// in one step, From is looked at after that, when nobody can reach it any more by
// its name; where it cannot, right before.
func (c Change) replace() error {
	if err := c.verify(); err != nil {
		return err
	}
	info, err := os.Lstat(c.Path)
	if err != nil {
		return c.orChanged(err)
	}
	if err := c.prepare(info); err != nil {
		return err
	}
	err = exchange(c.Spare, c.Path)
	if errors.Is(err, errors.ErrUnsupported) {
		if err := c.verify(); err != nil {
			return errors.Join(err, os.Remove(c.Spare))
		}
		err = os.Rename(c.Spare, c.Path)
		return errors.Join(err, atomicfile.SyncDir(filepath.Dir(c.Path)))
	}
	if err != nil {
		return errors.Join(c.orChanged(err), os.Remove(c.Spare))
	}
	if have := final(c.Spare); have != c.From {
		return c.putBack(have)
	}
	return errors.Join(os.Remove(c.Spare), atomicfile.SyncDir(filepath.Dir(c.Path)))
}

// backTries bounds putBack; each further try takes one more edit in the same microseconds.
const backTries = 100

// putBack returns the path to whoever changed it; their version, have, lies at
// Spare. What was written to ours while it stood at the path is newer than that, and
// what was written to theirs after it was put back is newer again: the newest ends
// up at the path.
func (c Change) putBack(have Place) error {
	changed := &ChangedError{Path: c.Path, Want: c.From, Have: have}
	below, above := c.To, have // what the two files held when they last were at Spare, and the one that is there now
	for n := range backTries {
		if err := exchange(c.Spare, c.Path); err != nil {
			changed.Kept = c.Spare
			return errors.Join(changed, err)
		}
		now := final(c.Spare)
		if now == below {
			var err error
			if n == 0 {
				err = os.Remove(c.Spare) // ours, which nobody wrote to
			} else {
				changed.Kept = c.Spare
			}
			return errors.Join(changed, err, atomicfile.SyncDir(filepath.Dir(c.Path)))
		}
		changed.Have = now
		below, above = above, now
	}
	changed.Kept = c.Spare
	return changed
}

// remove takes From away. What turns out to be something else is put back.
func (c Change) remove() error {
	if err := c.verify(); err != nil {
		return err
	}
	if err := os.Rename(c.Path, c.Spare); err != nil {
		return c.orChanged(err)
	}
	if have := final(c.Spare); have != c.From {
		changed := &ChangedError{Path: c.Path, Want: c.From, Have: have}
		if err := putNew(c.Spare, c.Path); err != nil {
			changed.Kept = c.Spare // the path is taken again
		}
		return errors.Join(changed, atomicfile.SyncDir(filepath.Dir(c.Path)))
	}
	return errors.Join(os.Remove(c.Spare), atomicfile.SyncDir(filepath.Dir(c.Path)))
}

// final is what stands at path once nobody writes to it any more. It is no Place
// when that does not come about.
func final(path string) Place {
	if !closed(path) {
		return Place{}
	}
	p, _, err := Look(path)
	if err != nil {
		return Place{}
	}
	return p
}

// Settle removes what a crash in the midst of Do left at Spare. What is neither
// From nor To is somebody's edit: it goes back to the path if ours stands there or
// nothing does, else it stays, and its path is returned.
func (c Change) Settle() (kept string, err error) {
	left, _, err := Look(c.Spare)
	if err != nil || left.Kind == Missing {
		return "", err
	}
	now, _, err := Look(c.Path)
	switch {
	case err != nil:
		return c.Spare, err
	case left == c.From || left == c.To || now == c.From: // in the last case it was not even written whole
		return "", errors.Join(os.Remove(c.Spare), atomicfile.SyncDir(filepath.Dir(c.Path)))
	case now.Kind == Missing:
		err = putNew(c.Spare, c.Path)
	case now == c.To:
		if err = exchange(c.Spare, c.Path); err == nil {
			err = os.Remove(c.Spare)
		}
	default:
		return c.Spare, nil
	}
	return "", errors.Join(err, atomicfile.SyncDir(filepath.Dir(c.Path)))
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
