package logfile

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	prefix  = "coderclaw-"
	suffix  = ".log"
	dayForm = "2006-01-02"
)

// key is the place of a file in the order of the log: by day, then by the number
// under which it was put aside. The file that is written to comes last of its day.
type key struct {
	day  string // of dayForm
	part int    // from 1 on, or current
}

const current = math.MaxInt

func (k key) compare(o key) int {
	return cmp.Or(strings.Compare(k.day, o.day), cmp.Compare(k.part, o.part))
}

// entry is one file of the log as it was listed.
type entry struct {
	key
	path string
	info fs.FileInfo
}

func currentPath(dir, day string) string { return filepath.Join(dir, prefix+day+suffix) }

func partPath(dir, day string, part int) string {
	return filepath.Join(dir, prefix+day+"."+strconv.Itoa(part)+suffix)
}

// parseName reads the place of a file from its name; other files of the
// directory are not ours.
func parseName(name string) (key, bool) {
	body, ok := strings.CutPrefix(name, prefix)
	if !ok {
		return key{}, false
	}
	body, ok = strings.CutSuffix(body, suffix)
	if !ok {
		return key{}, false
	}
	k := key{part: current}
	var number string
	k.day, number, ok = strings.Cut(body, ".")
	if ok {
		var err error
		if k.part, err = strconv.Atoi(number); err != nil || k.part < 1 || strconv.Itoa(k.part) != number {
			return key{}, false
		}
	}
	if t, err := time.Parse(dayForm, k.day); err != nil || t.Format(dayForm) != k.day {
		return key{}, false
	}
	return k, true
}

// list returns the log files of dir, the oldest first.
func list(dir string) ([]entry, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("log dir: %w", err)
	}
	var out []entry
	for _, e := range entries {
		k, ok := parseName(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("log dir: %w", err)
		}
		out = append(out, entry{k, filepath.Join(dir, e.Name()), info})
	}
	slices.SortFunc(out, func(a, b entry) int { return a.compare(b.key) })
	return out, nil
}

// highest is the highest number under which a file of the day was put aside.
func highest(files []entry, day string) int {
	n := 0
	for _, f := range files {
		if f.day == day && f.part != current {
			n = max(n, f.part)
		}
	}
	return n
}

// settled lists dir until two listings in a row agree: a listing during a
// rotation may show one file under two names, or under none. A dir that does not
// exist has no files.
func settled(dir string) ([]entry, error) {
	var last []entry
	for first := true; ; first = false {
		files, err := list(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if !first && slices.EqualFunc(last, files, func(a, b entry) bool { return a.key == b.key && os.SameFile(a.info, b.info) }) {
			return files, nil
		}
		last = files
	}
}

// errMoved says that a path names another file than when it was listed.
var errMoved = errors.New("the log was rotated meanwhile")

// open opens a listed file; errMoved when its path names another one by now.
func (e entry) open() (*os.File, fs.FileInfo, error) {
	f, err := os.Open(e.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, errMoved
	}
	if err != nil {
		return nil, nil, fmt.Errorf("log: %w", err)
	}
	info, err := f.Stat()
	if err == nil && !os.SameFile(info, e.info) {
		err = errMoved
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, info, nil
}

// Newest is the log file of dir that is written to; fs.ErrNotExist when there is none.
func Newest(dir string) (string, error) {
	files, err := list(dir)
	if err != nil {
		return "", err
	}
	if len(files) == 0 {
		return "", fmt.Errorf("no log in %s: %w", dir, fs.ErrNotExist)
	}
	return files[len(files)-1].path, nil
}
