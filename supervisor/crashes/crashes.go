// Package crashes owns the black boxes of a profile: what is kept of each crash
// of its gateway, in one file per crash. It does not decide what a crash is and
// does not collect what goes into a record; the supervisor does both.
package crashes

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coderclaw/coderclaw/internal/atomicfile"
)

// Limits of what is kept.
const (
	Keep    = 10       // crashes
	MaxTail = 64 << 10 // bytes of Record.Tail
	MaxDump = 1 << 20  // bytes of Record.Dump; some thousand goroutines

	maxFile = 16 << 20 // both, escaped as badly as JSON can, with room to spare
)

// Record is one crash. Its JSON form is what the files hold and what
// `crashes --json` prints.
type Record struct {
	ID         string        `json:"id"` // given by Add; sorts by time
	Profile    string        `json:"profile"`
	At         time.Time     `json:"at"`    // of the death
	Class      string        `json:"class"` // exit class
	Code       int           `json:"code"`  // exit status, -1 when a signal ended it
	Signal     string        `json:"signal,omitempty"`
	Phase      string        `json:"phase"` // "starting", "ready" or another state in which it died
	PID        int           `json:"pid"`
	Ran        time.Duration `json:"ranNs"` // from start to death
	Reason     string        `json:"reason,omitempty"`
	ConfigHash string        `json:"configHash,omitempty"`
	BinaryHash string        `json:"binaryHash,omitempty"`

	Dump        string `json:"dump,omitempty"`        // goroutine dump; its first MaxDump bytes
	DumpMissing string `json:"dumpMissing,omitempty"` // why there is no dump where one was wanted
	Tail        string `json:"tail,omitempty"`        // the end of the output; its last MaxTail bytes
}

// Store is the black boxes below one directory. It is safe for concurrent use; a
// directory has one Store that adds.
type Store struct {
	dir string

	mu    sync.Mutex // held while adding; guards what follows
	known []kept     // what prune may remove, the newest first; nil before the first Add
}

// kept is what is remembered of a record.
type kept struct {
	id string
	at time.Time
}

func (k kept) compare(o kept) int {
	return cmp.Or(o.at.Compare(k.at), cmp.Compare(number(o.id), number(k.id)))
}

// Open returns the store below dir. It touches nothing: Add makes dir.
func Open(dir string) *Store { return &Store{dir: dir} }

const suffix = ".json"

// Add stores r under a new ID, which it returns, and removes the oldest crashes
// beyond Keep. r.At must be set.
func (s *Store) Add(r Record) (id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return "", fmt.Errorf("crashes: %w", err)
	}
	r.Tail = lastLines(r.Tail, MaxTail)
	if len(r.Dump) > MaxDump {
		r.Dump = strings.ToValidUTF8(r.Dump[:MaxDump], "") + "\n… cut\n"
	}
	if r.ID, err = s.freeID(r.At); err != nil {
		return "", err
	}
	text, err := encode(r)
	if err != nil {
		return "", err
	}
	if err := atomicfile.WriteFile(s.path(r.ID), text, 0o600); err != nil {
		return "", err
	}
	return r.ID, s.pruneLocked(kept{r.ID, r.At})
}

// lastLines cuts text to its last n bytes, and to whole lines if one fits.
func lastLines(text string, n int) string {
	if len(text) <= n {
		return text
	}
	text = text[len(text)-n-1:]
	if i := strings.IndexByte(text, '\n') + 1; i > 0 && i < len(text) {
		return text[i:]
	}
	return strings.ToValidUTF8(text[1:], "")
}

var idPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\d{8}-\d{6}(-[2-9]|-[1-9]\d{1,3})?$`) })

// freeID is the time of the crash, in UTC, with a number behind all others when
// several fall into one second.
func (s *Store) freeID(at time.Time) (string, error) {
	base := at.UTC().Format("20060102-150405")
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return "", fmt.Errorf("crashes: %w", err)
	}
	last := 0
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), suffix); ok && strings.HasPrefix(id, base) && idPattern().MatchString(id) {
			last = max(last, number(id))
		}
	}
	id := base
	if last > 0 {
		id = fmt.Sprintf("%s-%d", base, last+1)
	}
	if !idPattern().MatchString(id) {
		return "", fmt.Errorf("crashes: %s is no name for a crash; is the clock right?", id)
	}
	return id, nil
}

func (s *Store) path(id string) string { return filepath.Join(s.dir, id+suffix) }

// pruneLocked removes the oldest records beyond Keep, but never the one just added:
// the clock may have been set back. The records are read once in the life of s.
func (s *Store) pruneLocked(added kept) error {
	if s.known == nil {
		records, _ := s.List() // what cannot be read stays, and is for who lists to report
		for _, r := range records {
			if r.ID != added.id {
				s.known = append(s.known, kept{r.ID, r.At})
			}
		}
	}
	old := s.known[min(len(s.known), Keep-1):]
	s.known = append(slices.Clone(s.known[:len(s.known)-len(old)]), added)
	slices.SortFunc(s.known, kept.compare)
	var failed error
	for _, k := range old {
		if err := os.Remove(s.path(k.id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = errors.Join(failed, fmt.Errorf("old crash: %w", err))
		}
	}
	return failed
}

// List returns the crashes, the newest first. Files that cannot be read are left
// out and left alone; the error names each, beside the records that could be read.
func (s *Store) List() ([]Record, error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("crashes: %w", err)
	}
	var out []Record
	var failed error
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), suffix)
		if !ok || !idPattern().MatchString(id) {
			continue
		}
		r, err := s.read(id)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Record) int { return kept{a.ID, a.At}.compare(kept{b.ID, b.At}) })
	return out, failed
}

// number is the part of an ID that counts the crashes of one second.
func number(id string) int {
	n := 1
	if len(id) > len("20060102-150405-") {
		n, _ = strconv.Atoi(id[len("20060102-150405-"):]) // the pattern has seen to it
	}
	return n
}

// Get returns one crash; fs.ErrNotExist when there is none with that ID.
func (s *Store) Get(id string) (Record, error) {
	if !idPattern().MatchString(id) {
		return Record{}, fmt.Errorf("crash %q: %w", id, fs.ErrNotExist)
	}
	return s.read(id)
}

func (s *Store) read(id string) (Record, error) {
	// What is no file is not opened: a pipe would block for ever.
	if info, err := os.Stat(s.path(id)); err == nil && !info.Mode().IsRegular() {
		return Record{}, fmt.Errorf("crash %s: %s is no file; it is none of ours", id, s.path(id))
	}
	f, err := os.Open(s.path(id))
	if err != nil {
		return Record{}, fmt.Errorf("crash %s: %w", id, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return Record{}, fmt.Errorf("crash %s: %w", id, err)
	}
	if len(text) > maxFile {
		return Record{}, fmt.Errorf("crash %s: %s is larger than %d bytes; it is none of ours", id, s.path(id), maxFile)
	}
	r, err := decode(text)
	if err == nil && r.ID != id {
		err = fmt.Errorf("it calls itself %q", r.ID)
	}
	if err != nil {
		return Record{}, fmt.Errorf("crash %s: %s cannot be read: %w; remove it if it is of no use", id, s.path(id), err)
	}
	return r, nil
}

// encode is the text of a file.
func encode(r Record) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("crash record: %w", err)
	}
	return b.Bytes(), nil
}

// decode reads the text of a file. Keys that a later version may have added are
// passed over.
func decode(text []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(text, &r); err != nil {
		return Record{}, err
	}
	if !idPattern().MatchString(r.ID) || r.At.IsZero() {
		return Record{}, errors.New("it has no id or no time")
	}
	return r, nil
}
