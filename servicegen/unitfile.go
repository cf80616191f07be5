package servicegen

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLine is the longest line that systemd reads (LONG_LINE_MAX).
const maxLine = 1 << 20

// LineKind says what a line of a unit file is.
type LineKind int

// The kinds of line.
const (
	LineBlank   LineKind = iota
	LineComment          // starts with # or ;
	LineSection          // [Name]
	LineSetting          // Key=Value, with its continuation lines
	LineJunk             // what systemd warns about and skips: no "=", no key, or outside of any section
)

// Line is one logical line of a unit file.
type Line struct {
	Kind    LineKind
	Raw     string // every byte of it, line ends included
	Number  int    // of its first line, from 1
	Section string // the section that it opens or stands in
	Key     string // LineSetting
	Value   string // LineSetting: trimmed, continuation lines joined; quotes and escapes untouched. LineJunk: the text
}

// UnitFile is a unit file with every byte kept: String gives back what
// ParseUnit was given.
type UnitFile struct{ Lines []Line }

func (f *UnitFile) String() string {
	var b strings.Builder
	for _, l := range f.Lines {
		b.WriteString(l.Raw)
	}
	return b.String()
}

// Values returns what was assigned to a key, in order. An empty assignment
// forgets those before it, as for the keys that systemd keeps a list of.
func (f *UnitFile) Values(section, key string) []string {
	var out []string
	for _, l := range f.Lines {
		if l.Kind != LineSetting || l.Section != section || l.Key != key {
			continue
		}
		if l.Value == "" {
			out = nil
			continue
		}
		out = append(out, l.Value)
	}
	return out
}

// UnitError is a unit file that systemd refuses as a whole.
type UnitError struct {
	Line int
	Err  error
}

func (e *UnitError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *UnitError) Unwrap() error { return e.Err }

var (
	errLongLine = errors.New("longer than 1 MiB")
	errSection  = errors.New("a section header has no closing bracket, or a character that may not be in one")
	errUTF8     = errors.New("not UTF-8")
)

// ParseUnit reads a unit file with systemd's rules. The error is a *UnitError.
func ParseUnit(src []byte) (*UnitFile, error) {
	p := unitParser{number: 1}
	rest := string(src)
	for rest != "" {
		var raw string
		raw, rest = cutLine(rest)
		if err := p.line(raw); err != nil {
			return nil, &UnitError{Line: p.number, Err: err}
		}
		p.number++
	}
	if err := p.flush(); err != nil {
		return nil, &UnitError{Line: p.start, Err: err}
	}
	return &p.file, nil
}

// cutLine splits off one line with its end. CR, LF and NUL end a line; a run of
// different ones ("\r\n") is one end.
func cutLine(s string) (line, rest string) {
	i := strings.IndexAny(s, "\n\r\x00")
	if i < 0 {
		return s, ""
	}
	seen := ""
	for i < len(s) && strings.IndexByte("\n\r\x00", s[i]) >= 0 && strings.IndexByte(seen, s[i]) < 0 {
		seen += s[i : i+1]
		i++
		if strings.HasSuffix(seen, "\x00") {
			break
		}
	}
	return s[:i], s[i:]
}

type unitParser struct {
	file    UnitFile
	number  int
	section string
	inside  bool // a section was opened

	open    bool // a setting goes on in the next line
	start   int
	raw     strings.Builder
	logical strings.Builder
}

func (p *unitParser) line(raw string) error {
	text := strings.TrimRight(raw, "\n\r\x00")
	if len(text) > maxLine || p.logical.Len()+len(text) > maxLine {
		return errLongLine
	}
	if p.number == 1 {
		text = strings.TrimPrefix(text, "\ufeff")
	}
	bare := strings.TrimLeft(text, wordSpace)
	if strings.HasPrefix(bare, "#") || strings.HasPrefix(bare, ";") {
		if p.open { // a comment inside a continued setting is not part of the value
			p.raw.WriteString(raw)
			return nil
		}
		p.add(Line{Kind: LineComment, Raw: raw, Number: p.number, Section: p.section})
		return nil
	}
	if !p.open {
		p.start = p.number
	}
	p.raw.WriteString(raw)
	if continued(text) {
		p.logical.WriteString(text[:len(text)-1] + " ")
		p.open = true
		return nil
	}
	p.logical.WriteString(text)
	return p.flush()
}

// continued tells whether the last character of a line is a backslash that no
// other backslash escapes.
func continued(text string) bool {
	n := len(text) - len(strings.TrimRight(text, `\`))
	return n%2 == 1
}

// flush turns what was gathered into one logical line.
func (p *unitParser) flush() error {
	if p.raw.Len() == 0 {
		return nil
	}
	l := Line{Raw: p.raw.String(), Number: p.start, Section: p.section}
	text := strings.Trim(p.logical.String(), wordSpace)
	p.raw.Reset()
	p.logical.Reset()
	p.open = false
	if !utf8.ValidString(text) {
		return errUTF8
	}
	key, value, assigned := strings.Cut(text, "=")
	key = strings.TrimRight(key, wordSpace)
	switch {
	case text == "":
		l.Kind = LineBlank
	case text[0] == '[':
		name := text[1:max(1, len(text)-1)]
		if !strings.HasSuffix(text, "]") || strings.ContainsFunc(name, unicode.IsControl) || strings.ContainsAny(name, `"'\`) {
			return errSection
		}
		p.section, p.inside = name, true
		l.Kind, l.Section = LineSection, name
	case !p.inside || !assigned || key == "":
		l.Kind, l.Value = LineJunk, text
	default:
		l.Kind, l.Key, l.Value = LineSetting, key, strings.TrimLeft(value, wordSpace)
	}
	p.add(l)
	return nil
}

func (p *unitParser) add(l Line) { p.file.Lines = append(p.file.Lines, l) }
