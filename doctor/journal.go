package doctor

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/internal/atomicfile"
	"github.com/coderclaw/coderclaw/internal/swapfile"
)

// A journal is a directory <state>/doctor/journal/<ID>, private to its owner. It
// holds plan.json and the contents of files before and after, all on disk before
// the first change, and log, to which a line is added after each change.
//
// The state dir is open to the gateway, from which others are to be safe, and a
// journal tells doctor what to write where. So plan.json is sealed with a key that
// lies where no gateway can read it; the contents are known by their hashes in it.

// Kind says what a journal is of.
type Kind string

// The kinds.
const (
	KindRepair  Kind = "repair"
	KindUndo    Kind = "undo"
	KindInstall Kind = "install" // a file of somebody else was taken over
)

// Result is how what a journal tells of ended.
type Result string

// The results.
const (
	Applied     Result = "applied"
	RolledBack  Result = "rolled-back"
	Partly      Result = "partly"      // it could neither be finished nor be rolled back whole
	Interrupted Result = "interrupted" // it has not ended: it is under way, or its process died
)

// Service is what a manager said of the service.
type Service struct {
	Known   bool   `json:"known"` // the manager could be asked
	File    string `json:"file"`  // UnitFileState
	Enabled bool   `json:"enabled"`
	Active  string `json:"active"` // ActiveState
	Up      bool   `json:"up"`     // it ran, whatever it was
	Stale   bool   `json:"stale"`  // the manager had another copy of the file than the disk
	Healthy bool   `json:"healthy"`
}

// record is plan.json.
type record struct {
	Version int           `json:"version"`
	ID      string        `json:"id"`
	Kind    Kind          `json:"kind"`
	Of      string        `json:"of,omitempty"` // the journal that this one undoes
	Made    time.Time     `json:"made"`
	Profile string        `json:"profile"`
	Program string        `json:"program"` // version of this program
	Service Service       `json:"service"` // before
	Steps   []journalStep `json:"steps"`
}

// recordVersion is what this program writes and reads.
const recordVersion = 1

type journalStep struct {
	What    string        `json:"what"`
	Codes   []Code        `json:"codes,omitempty"`
	Edits   []journalEdit `json:"edits,omitempty"`
	Actions []Action      `json:"actions,omitempty"`
}

type journalEdit struct {
	Path   string         `json:"path"`
	Before swapfile.Place `json:"before"`
	After  swapfile.Place `json:"after"` // of KindInstall it comes with the end
	Spare  string         `json:"spare"`
	Old    string         `json:"old,omitempty"` // name of the file here that holds the content before
	New    string         `json:"new,omitempty"`
	// Hidden marks a file whose content is not kept; Back then makes of the content
	// after the one before.
	Hidden bool     `json:"hidden,omitempty"`
	Back   []splice `json:"back,omitempty"`
}

// splice puts Put in the place of Len bytes at At.
type splice struct {
	At  int    `json:"at"`
	Len int    `json:"len"`
	Put []byte `json:"put,omitempty"`
}

// line is one line of log.
type line struct {
	Time   time.Time `json:"time"`
	Step   int       `json:"step"`
	Edit   *int      `json:"edit,omitempty"`   // that edit is made
	Action *int      `json:"action,omitempty"` // that action is done
	Back   string    `json:"back,omitempty"`   // why everything is put back from here on
	Undone bool      `json:"undone,omitempty"` // with Edit: it is put back
	End    Result    `json:"end,omitempty"`
	Why    string    `json:"why,omitempty"`
	Kept   []string  `json:"kept,omitempty"` // files that hold what somebody wrote meanwhile
	// After are, of KindInstall, the places of the first step's edits at the end.
	After []swapfile.Place `json:"after,omitempty"`
}

// journal is one journal, open or ended. It is not safe for concurrent use.
type journal struct {
	t   Target // whose journals these are
	dir string
	record
	lines []line
}

// journalDir is where the journals of t lie.
func journalDir(t Target) string {
	if t.JournalDir != "" {
		return t.JournalDir
	}
	return filepath.Join(t.Profile.StateDir, "doctor", "journal")
}

var journalID = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]{8}-[0-9]{6}-[0-9]{3}$`) })

// newID is later in the alphabet than every ID of the journals that there are.
func newID(dir string, now time.Time) string {
	for now = now.UTC(); ; now = now.Add(time.Millisecond) {
		id := now.Format("20060102-150405.000")
		id = id[:15] + "-" + id[16:]
		last := ""
		for _, other := range journalIDs(dir) {
			last = max(last, other)
		}
		if id > last {
			return id
		}
		if t, err := time.Parse("20060102-150405.000", last[:15]+"."+last[16:]); err == nil && t.After(now) {
			now = t // the clock went back
		}
	}
}

// journalIDs are sorted, the oldest first.
func journalIDs(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() && journalID().MatchString(e.Name()) {
			out = append(out, e.Name())
		}
	}
	return out
}

// create puts the journal on disk, whole or not at all. blobs are the files beside plan.json.
func (j *journal) create(t Target, blobs map[string][]byte) error {
	j.t = t
	return t.keeping(func() error { return j.createNow(blobs) })
}

func (j *journal) createNow(blobs map[string][]byte) (err error) {
	t := j.t
	parent := journalDir(t)
	err = os.MkdirAll(t.JournalDir, 0o700)
	if t.JournalDir == "" {
		err = ownDir(t.Profile.StateDir, "doctor", "journal")
	}
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	key, err := t.key(true)
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	tmp, err := os.MkdirTemp(parent, ".new-")
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("journal: %w", err), os.RemoveAll(tmp))
		}
	}()
	text, err := json.MarshalIndent(j.record, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	files := map[string][]byte{"plan.json": text, "seal": sealOf(key, text), "log": nil}
	for name, data := range blobs {
		if files[name], err = hide(key, data); err != nil {
			return err
		}
	}
	for name, data := range files {
		if err := writeSynced(filepath.Join(tmp, name), data); err != nil {
			return err
		}
	}
	if err := atomicfile.SyncDir(tmp); err != nil {
		return err
	}
	j.dir = filepath.Join(parent, j.ID)
	if err := os.Rename(tmp, j.dir); err != nil {
		return err
	}
	return atomicfile.SyncDir(parent)
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}

// add puts one more line on disk.
func (j *journal) add(l line) error { return j.t.keeping(func() error { return j.addNow(l) }) }

func (j *journal) addNow(l line) error {
	l.Time = time.Now().UTC()
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("journal %s: %w", j.ID, err)
	}
	f, err := os.OpenFile(filepath.Join(j.dir, "log"), os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("journal %s: %w", j.ID, err)
	}
	last := []byte("\n")
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		_, _ = f.ReadAt(last, info.Size()-1) // unread, it counts as a whole line
	}
	if last[0] != '\n' { // cut off by a crash
		text = append([]byte("\n"), text...)
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("journal %s: %w", j.ID, err)
	}
	j.lines = append(j.lines, l)
	return nil
}

// maxJournalFile bounds what is read of a journal's own files.
const maxJournalFile = 8 << 20

// openJournal reads the journal of t with that ID.
func openJournal(t Target, id string) (j *journal, err error) {
	err = t.keeping(func() error {
		j, err = openJournalNow(t, id)
		return err
	})
	return j, err
}

func openJournalNow(t Target, id string) (*journal, error) {
	j := &journal{t: t, dir: filepath.Join(journalDir(t), id)}
	fail := func(err error) (*journal, error) { return nil, fmt.Errorf("journal %s: %w", id, err) }
	text, err := readAtMost(filepath.Join(j.dir, "plan.json"), maxJournalFile)
	if err != nil {
		return fail(err)
	}
	seal, err := readAtMost(filepath.Join(j.dir, "seal"), maxJournalFile)
	if err != nil {
		return fail(err)
	}
	key, err := t.key(false)
	if err != nil {
		return fail(err)
	}
	if !hmac.Equal(seal, sealOf(key, text)) {
		return fail(fmt.Errorf("it was not written by doctor with the key %s; it is not used", t.KeyFile))
	}
	if err := json.Unmarshal(text, &j.record); err != nil {
		return fail(fmt.Errorf("plan.json: %w", err))
	}
	if j.Version != recordVersion || j.ID != id || j.Profile != t.Profile.Name {
		return fail(fmt.Errorf("plan.json is that of journal %q of profile %s in version %d, which does not belong here", j.ID, j.Profile, j.Version))
	}
	log, err := readAtMost(filepath.Join(j.dir, "log"), maxJournalFile)
	if err != nil {
		return fail(err)
	}
	if j.lines, err = readLog(log); err != nil {
		return fail(fmt.Errorf("log: %w", err))
	}
	return j, nil
}

// readLog passes over lines that a crash has cut off: what they were to note is
// looked at anew.
func readLog(text []byte) ([]line, error) {
	var out []line
	s := bufio.NewScanner(bytes.NewReader(text))
	s.Buffer(nil, maxJournalFile)
	for s.Scan() {
		var l line
		if json.Unmarshal(s.Bytes(), &l) == nil {
			out = append(out, l)
		}
	}
	return out, s.Err()
}

func readAtMost(path string, limit int64) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("no file of a journal")}
	}
	return os.ReadFile(path)
}

// blob is a content that lies beside plan.json, of which p is the place.
func (j *journal) blob(name string, p swapfile.Place) ([]byte, error) {
	if name == "" || name != filepath.Base(name) {
		return nil, fmt.Errorf("journal %s: %q is no name of a file", j.ID, name)
	}
	var data []byte
	err := j.t.keeping(func() (err error) {
		if data, err = readAtMost(filepath.Join(j.dir, name), swapfile.MaxFile+hiddenExtra); err != nil {
			return err
		}
		key, err := j.t.key(false)
		if err != nil {
			return err
		}
		if data, err = reveal(key, data); err != nil {
			err = errors.New(name + " is damaged")
		}
		return err
	})
	if err == nil && swapfile.Hash(data) != p.Hash {
		err = errors.New(name + " is damaged")
	}
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", j.ID, err)
	}
	return data, nil
}

// result is how it ended.
func (j *journal) result() (r Result, why string) {
	for _, l := range slices.Backward(j.lines) {
		if l.End != "" {
			return l.End, l.Why
		}
	}
	return Interrupted, ""
}

// made tells whether the edit is noted as made, and not as put back.
func (j *journal) made(step, edit int) bool {
	for _, l := range slices.Backward(j.lines) {
		if l.Edit != nil && l.Step == step && *l.Edit == edit {
			return !l.Undone
		}
	}
	return false
}

// acted tells whether the action is noted as done.
func (j *journal) acted(step, action int) bool {
	return slices.ContainsFunc(j.lines, func(l line) bool { return l.Action != nil && l.Step == step && *l.Action == action })
}

// back is why everything was to be put back, "" if that was not decided.
func (j *journal) back() string {
	for _, l := range j.lines {
		if l.Back != "" {
			return l.Back
		}
	}
	return ""
}
