package doctor

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/coderclaw/coderclaw/internal/swapfile"
)

// Seen is what stood at a path at one moment, with what is needed to change it.
// Edits are made from it, so that a plan reads no file itself.
type Seen struct {
	Path  string         // where it was looked, links followed if that was asked for
	Place swapfile.Place // its zero value when Err is not nil
	Raw   []byte         // content of a file
	Err   error
}

// See looks at path itself; a link is what it finds there.
func See(path string) Seen {
	s := Seen{Path: path}
	s.Place, s.Raw, s.Err = swapfile.Look(path)
	return s
}

// SeeThrough looks at what path leads to. A link to nothing is seen as itself.
func SeeThrough(path string) Seen {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return See(path)
}

// Edit is one change of one path: what has to stand there, and what then does. It
// is data: it can be shown, kept in a journal, and turned round.
type Edit struct {
	Path   string         `json:"path"`
	Before swapfile.Place `json:"before"`
	After  swapfile.Place `json:"after"`

	// old and new are the contents of files; new is nil where the content stays.
	old, new []byte
	hidden   *hidden
}

// hidden is what an edit of a file has whose content is shown to nobody and kept
// in no journal.
type hidden struct {
	// versions are its contents from old to new, of which each differs from the one
	// before in one place.
	versions [][]byte
	shown    []string // what each version sets, fit to be seen
	// oneWay marks an edit that takes a secret away, of which no copy is kept.
	oneWay bool
}

// Write is the edit after which a file with that content and exactly these
// permissions stands there.
func (s Seen) Write(data []byte, mode os.FileMode) Edit {
	return Edit{Path: s.Path, Before: s.Place, After: swapfile.Holds(data, swapfile.ModeOf(mode)), old: s.Raw, new: data}
}

// Chmod is the edit that changes nothing but permissions.
func (s Seen) Chmod(mode os.FileMode) Edit {
	after := s.Place
	after.Mode = swapfile.ModeOf(mode)
	return Edit{Path: s.Path, Before: s.Place, After: after, old: s.Raw}
}

// Remove is the edit after which nothing stands there. Of directories only empty ones go.
func (s Seen) Remove() Edit {
	return Edit{Path: s.Path, Before: s.Place, After: swapfile.Place{Kind: swapfile.Missing}, old: s.Raw}
}

// Link is the edit after which a link to target stands there.
func (s Seen) Link(target string) Edit {
	return Edit{Path: s.Path, Before: s.Place, After: swapfile.Place{Kind: swapfile.Link, Target: target}, old: s.Raw}
}

// Mkdir is the edit that makes a directory.
func (s Seen) Mkdir(mode os.FileMode) Edit {
	return Edit{Path: s.Path, Before: s.Place, After: swapfile.Place{Kind: swapfile.Dir, Mode: swapfile.ModeOf(mode)}}
}

// Empty tells whether the edit changes nothing.
func (e Edit) Empty() bool { return e.Before == e.After }

// Diff is the change for people: a unified diff of the text, and a line each for
// what else changes. Secrets are masked.
func (e Edit) Diff() string {
	var b strings.Builder
	before, after := e.Before, e.After
	was, is := before.Kind, after.Kind
	switch {
	case was == swapfile.Missing && is == swapfile.Dir:
		fmt.Fprintf(&b, "make directory %s (%s)\n", e.Path, after.Mode)
	case was == swapfile.Dir && is == swapfile.Missing:
		fmt.Fprintf(&b, "remove directory %s\n", e.Path)
	case was == swapfile.Link && is != swapfile.Link:
		fmt.Fprintf(&b, "remove link %s -> %s\n", e.Path, before.Target)
	case is == swapfile.Link && was == swapfile.Link:
		fmt.Fprintf(&b, "turn link %s from %s to %s\n", e.Path, before.Target, after.Target)
	case is == swapfile.Link:
		fmt.Fprintf(&b, "make link %s -> %s\n", e.Path, after.Target)
	case was == is && before.Mode != after.Mode:
		fmt.Fprintf(&b, "permissions of %s from %s to %s\n", e.Path, before.Mode, after.Mode)
	}
	if was == swapfile.File && is == swapfile.File && before.Hash == after.Hash {
		return b.String()
	}
	if e.hidden != nil {
		fmt.Fprintf(&b, "in %s:\n", e.Path)
		for _, line := range e.hidden.shown {
			fmt.Fprintf(&b, "+ %s\n", line)
		}
		return b.String()
	}
	var old, next []byte
	oldName, nextName := os.DevNull, os.DevNull
	if was == swapfile.File {
		old, oldName = masked(e.old), e.Path+" (now)"
	}
	if is == swapfile.File {
		next, nextName = masked(e.new), e.Path+" (then)"
	}
	switch {
	case was == swapfile.File && len(old) == 0 && is == swapfile.Missing:
		fmt.Fprintf(&b, "remove %s, which is empty\n", e.Path)
	case !bytes.Equal(old, next):
		b.WriteString(shortLines(string(diff.Diff(oldName, old, nextName, next))))
	case was == swapfile.File && is == swapfile.File:
		fmt.Fprintf(&b, "a secret in %s\n", e.Path)
	}
	return b.String()
}

// maxLine bounds a line of a diff, in bytes; no service file and no config has one
// that comes near it, but who has been at it may have put anything there.
const maxLine = 4096

// shortLines cuts what is longer than maxLine, and says how much.
func shortLines(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		body := strings.TrimSuffix(line, "\n")
		if len(body) > maxLine {
			line = fmt.Sprintf("%s… (%d bytes more)\n", strings.ToValidUTF8(body[:maxLine], ""), len(body)-maxLine)
		}
		b.WriteString(line)
	}
	return b.String()
}

// secretName is a name that says that its value is secret.
const secretName = `[A-Za-z0-9_]*(?i:TOKEN|PASSWORD|PASSWD|SECRET|KEY|CREDENTIAL)[A-Za-z0-9_]*`

// secretShapes are the assignments of such values in unit files and files of
// variables, whole words in quotes first, and in plists.
var secretShapes = sync.OnceValue(func() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`("` + secretName + `=)(?:[^"\\\n]|\\.)*`),
		regexp.MustCompile(`('` + secretName + `=)(?:[^'\\\n]|\\.)*`),
		regexp.MustCompile(`(` + secretName + `=")(?:[^"\\\n]|\\.)*`),
		regexp.MustCompile(`(` + secretName + `=')(?:[^'\\\n]|\\.)*`),
		regexp.MustCompile(`(` + secretName + `=)[^\s"']+`),
		regexp.MustCompile(`(<key>` + secretName + `</key>\s*<string>)[^<]+`),
	}
})

// masked is a text as it may be shown.
func masked(text []byte) []byte {
	for _, shape := range secretShapes() {
		text = shape.ReplaceAll(text, []byte("${1}(secret)"))
	}
	return text
}
