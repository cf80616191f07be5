package doctor

import (
	"errors"
	"io/fs"
	"os"

	"github.com/coderclaw/coderclaw/profiles"
)

// LogFact is the log directory of a profile.
type LogFact struct {
	Dir     string
	Bytes   int64  // of all files in it
	Trouble string // why nothing can be written there, "" when it can
}

// SpaceFact is the file system of the state dir. Total is 0 when nothing is known
// of it, Inodes when it has none to count.
type SpaceFact struct {
	Device             string // "device 8:1", "" when unknown
	Free, Total        uint64 // bytes that an ordinary user may have
	InodesFree, Inodes uint64
}

// observeLogs adds up the log files. A directory that is yet to be made is no trouble.
func observeLogs(p profiles.Profile) LogFact {
	l := LogFact{Dir: p.LogDir()}
	entries, err := os.ReadDir(l.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return l
	}
	if err != nil {
		l.Trouble = cause(err)
		return l
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			l.Bytes += info.Size()
		}
	}
	if err := writable(l.Dir); err != nil {
		l.Trouble = cause(err)
	}
	return l
}
