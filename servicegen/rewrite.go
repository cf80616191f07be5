package servicegen

import (
	"slices"
	"strings"
)

// Rewrite returns old with the managed keys of want, and everything else byte
// for byte: comments, order, foreign keys and sections, foreign variables. When
// no managed key differs it returns old itself. What cannot be read, or would
// still differ afterwards, is replaced as a whole.
//
// It decides nothing about whose file old is; see OriginOf.
func Rewrite(old []byte, want Spec) ([]byte, error) {
	fresh, err := want.Render()
	if err != nil {
		return nil, err
	}
	wantView, err := ParseView(want.Format, want.Scope, fresh)
	if err != nil {
		return nil, err
	}
	haveView, err := ParseView(want.Format, want.Scope, old)
	if err != nil {
		return fresh, nil
	}
	diff := Diff(wantView, haveView)
	if len(diff) == 0 {
		return old, nil
	}
	var out []byte
	if want.Format == FormatLaunchd {
		out, err = rewritePlist(old, want, diff)
	} else {
		out, err = rewriteUnit(old, want, diff)
	}
	if err != nil {
		return fresh, nil
	}
	if got, err := ParseView(want.Format, want.Scope, out); err != nil || len(Diff(wantView, got)) > 0 {
		return fresh, nil
	}
	return out, nil
}

func rewriteUnit(old []byte, want Spec, diff []Difference) ([]byte, error) {
	u, err := ParseUnit(old)
	if err != nil {
		return nil, err
	}
	e := &unitEditor{lines: u.Lines, keys: managedUnitKeys(want.Scope), eol: lineEnd(old), changed: map[string]bool{}}
	for _, d := range diff {
		e.changed[d.Key] = true
	}
	order := want.settings()
	for i, set := range order {
		key := diffKey(set)
		if !e.changed[key] {
			continue
		}
		same := order[i:] // a list may take several lines
		for j := range same {
			if diffKey(same[j]) != key {
				same = same[:j]
				break
			}
		}
		e.place(key, same, order[:i])
		delete(e.changed, key)
	}
	for key := range e.changed { // managed keys that must not be there at all
		e.remove(key, "")
	}
	_, _, rest, _ := splitHeader([]byte((&UnitFile{e.lines}).String()))
	return append([]byte(want.unitHeader(rest)+e.eol), rest...), nil
}

// diffKey is the key under which a View holds a setting.
func diffKey(s setting) string {
	if s.key != "Environment" {
		return s.key
	}
	words, _ := Words(s.value)
	name, _, _ := strings.Cut(words[0], "=")
	return "Environment[" + name + "]"
}

func lineEnd(src []byte) string {
	first, _ := cutLine(string(src))
	if strings.HasSuffix(first, "\r\n") {
		return "\r\n"
	}
	return "\n"
}

// unitEditor changes the lines of one file.
type unitEditor struct {
	lines   []Line
	keys    map[string]managedKey
	eol     string
	changed map[string]bool // keys yet to be dealt with
}

// place makes sets the only assignments of key: where the first one stood, else
// behind what precedes them in a fresh unit.
func (e *unitEditor) place(key string, sets, before []setting) {
	set := sets[0]
	at := e.remove(key, set.section)
	if at < 0 || set.key == "Environment" {
		// A variable goes behind all lines of its kind, past any that resets them.
		at = e.after(set, before)
	}
	var lines []Line
	for _, s := range sets {
		lines = append(lines, Line{Kind: LineSetting, Section: s.section, Key: s.key, Value: s.value, Raw: s.key + "=" + s.value + e.eol})
	}
	if at < 0 {
		e.terminate(len(e.lines))
		if len(e.lines) > 0 {
			e.lines = append(e.lines, Line{Kind: LineBlank, Raw: e.eol})
		}
		e.lines = append(e.lines, Line{Kind: LineSection, Section: set.section, Raw: "[" + set.section + "]" + e.eol})
		e.lines = append(e.lines, lines...)
		return
	}
	e.terminate(at)
	e.lines = slices.Insert(e.lines, at, lines...)
}

// terminate gives the line before at a line end when it lacks one, as the last
// line of a file may.
func (e *unitEditor) terminate(at int) {
	if at == 0 {
		return
	}
	l := &e.lines[at-1]
	switch {
	case !strings.ContainsAny(l.Raw[max(0, len(l.Raw)-1):], "\n\r\x00"):
		l.Raw += e.eol
	case l.Kind == LineSetting && continued(strings.TrimRight(l.Raw, "\n\r\x00")):
		// The file ends inside a continued setting; an empty line closes it.
		l.Raw += e.eol
	}
}

// remove deletes every assignment of key and returns where the first one of
// section stood, -1 when there was none. Old spellings stand in other sections.
func (e *unitEditor) remove(key, section string) int {
	first := -1
	kept := e.lines[:0:0]
	for _, l := range e.lines {
		hit := false
		if name, ok := strings.CutPrefix(key, "Environment["); ok && isEnvironment(l) {
			l, hit = withoutVariable(l, strings.TrimSuffix(name, "]"), e.eol)
		} else if managedName(e.keys, l) == key {
			l.Raw, hit = "", true
		}
		if hit && first < 0 && l.Section == section {
			first = len(kept)
		}
		if !hit || l.Raw != "" {
			kept = append(kept, l)
		}
	}
	e.lines = kept
	return first
}

// withoutVariable removes the assignments of one variable from a line; the
// others keep their spelling. Raw is "" when none is left.
func withoutVariable(l Line, name, eol string) (Line, bool) {
	spans, err := splitWords(l.Value)
	var kept []string
	hit := false
	for _, s := range spans {
		if strings.HasPrefix(s.text, name+"=") {
			hit = true
			continue
		}
		kept = append(kept, l.Value[s.start:s.end])
	}
	if !hit {
		return l, false
	}
	if err != nil && len(spans) > 0 { // keep what follows the last good word
		kept = append(kept, strings.TrimLeft(l.Value[spans[len(spans)-1].end:], wordSpace))
	}
	if len(kept) == 0 {
		l.Raw = ""
		return l, true
	}
	l.Value = strings.Join(kept, " ")
	l.Raw = "Environment=" + l.Value + eol
	return l, true
}

// after returns the index behind the last line that set should follow, -1 when
// its section does not exist.
func (e *unitEditor) after(set setting, before []setting) int {
	at := -1
	for i, l := range e.lines {
		if l.Section != set.section || l.Kind == LineBlank || l.Kind == LineComment {
			continue
		}
		switch {
		case l.Kind == LineSection && at < 0, l.Key == set.key && l.Kind == LineSetting:
			at = i + 1
		case slices.ContainsFunc(before, func(b setting) bool {
			return b.section == l.Section && b.key == l.Key
		}):
			at = i + 1
		}
	}
	return at
}
