package servicegen

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"howett.net/plist"
)

// node is one value of an XML property list and where it stands in the file.
type node struct {
	name       string // element: dict, array, string, …
	start, end int
	inner      int // dict: where its closing tag begins
	entries    []entry
}

// entry is one key of a dict with its value; start is where <key> begins.
type entry struct {
	key   string
	start int
	value *node
}

func (n *node) find(key string) (entry, bool) {
	for _, e := range slices.Backward(n.entries) { // of repeated keys the last one counts
		if e.key == key {
			return e, true
		}
	}
	return entry{}, false
}

var errShape = errors.New("not an XML property list with a dictionary at its top")

// parsePlistTree returns the top dictionary of an XML property list.
func parsePlistTree(src []byte) (*node, error) {
	d := xml.NewDecoder(bytes.NewReader(src))
	for {
		start := int(d.InputOffset())
		tok, err := d.Token()
		if err != nil {
			return nil, err
		}
		el, ok := tok.(xml.StartElement)
		if !ok || el.Name.Local == "plist" {
			continue
		}
		if el.Name.Local != "dict" {
			return nil, errShape
		}
		return parseNode(d, "dict", start, 0)
	}
}

const maxPlistDepth = 64

func parseNode(d *xml.Decoder, name string, start, depth int) (*node, error) {
	n := &node{name: name, start: start}
	if depth > maxPlistDepth {
		return nil, errShape
	}
	var key string
	var keyAt int
	haveKey := false
	for {
		at := int(d.InputOffset())
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
		switch t := tok.(type) {
		case xml.EndElement:
			n.inner, n.end = at, int(d.InputOffset())
			return n, nil
		case xml.StartElement:
			if name == "dict" && t.Name.Local == "key" {
				if err := d.DecodeElement(&key, &t); err != nil {
					return nil, err
				}
				keyAt, haveKey = at, true
				continue
			}
			child, err := parseNode(d, t.Name.Local, at, depth+1)
			if err != nil {
				return nil, err
			}
			if haveKey {
				n.entries = append(n.entries, entry{key, keyAt, child})
				haveKey = false
			}
		}
	}
}

// edit replaces src[start:end] by text.
type edit struct {
	start, end int
	text       string
}

func applyEdits(src []byte, edits []edit) []byte {
	slices.SortStableFunc(edits, func(a, b edit) int { return a.start - b.start })
	var out []byte
	at := 0
	for _, e := range edits {
		out = append(out, src[at:max(at, e.start)]...)
		out = append(out, e.text...)
		at = max(at, e.end)
	}
	return append(out, src[at:]...)
}

// rewritePlist changes the keys of diff in an XML plist. A binary one has
// nothing to keep byte for byte: its foreign keys are carried over as values.
func rewritePlist(old []byte, want Spec, diff []Difference) ([]byte, error) {
	if bytes.HasPrefix(old, []byte("bplist")) {
		return rewriteBinaryPlist(old, want)
	}
	_, _, bare, _ := splitHeader(old)
	top, err := parsePlistTree(bare)
	if err != nil {
		return nil, err
	}
	values := map[string]any{}
	for _, m := range want.members() {
		values[m.key] = m.value
	}
	var edits []edit
	env := map[string]any{}
	for _, d := range diff {
		if name, ok := strings.CutPrefix(d.Key, plistEnv+"["); ok {
			name = strings.TrimSuffix(name, "]")
			if v, wanted := want.envMap()[name]; wanted {
				env[name] = v
			} else {
				env[name] = nil
			}
			continue
		}
		if edits, err = top.set(edits, bare, d.Key, values[d.Key]); err != nil {
			return nil, err
		}
	}
	if len(env) > 0 {
		e, ok := top.find(plistEnv)
		switch {
		case !ok || e.value.name != "dict" || e.value.inner == e.value.end:
			edits, err = top.set(edits, bare, plistEnv, values[plistEnv])
		default:
			for _, name := range sortedKeys(env) {
				if edits, err = e.value.set(edits, bare, name, env[name]); err != nil {
					break
				}
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return want.addPlistHeader(applyEdits(bare, edits)), nil
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// set plans what gives key the value, or removes it when value is nil.
func (n *node) set(edits []edit, src []byte, key string, value any) ([]edit, error) {
	e, found := n.find(key)
	if value == nil {
		for _, e := range n.entries {
			if e.key == key {
				start, end := wholeLines(src, e.start, e.value.end)
				edits = append(edits, edit{start, end, ""})
			}
		}
		return edits, nil
	}
	text, err := plistFragment(value)
	if err != nil {
		return nil, err
	}
	if found {
		return append(edits, edit{e.value.start, e.value.end, strings.ReplaceAll(text, "\n", "\n"+indentOf(src, e.start))}), nil
	}
	var name bytes.Buffer
	if err := xml.EscapeText(&name, []byte(key)); err != nil {
		return nil, err
	}
	lineStart := n.inner - len(indentOf(src, n.inner))
	closing := indentOf(src, n.inner)
	indent := "\n" + closing + "\t"
	added := strings.TrimPrefix(indent, "\n") + "<key>" + name.String() + "</key>" + indent + strings.ReplaceAll(text, "\n", indent) + "\n"
	if lineStart > 0 && src[lineStart-1] != '\n' { // the closing tag does not stand on a line of its own
		lineStart = n.inner
		added = "\n" + added + closing
	}
	return append(edits, edit{lineStart, lineStart, added}), nil
}

// indentOf returns the white space between the start of the line and at, "" when
// something else stands there.
func indentOf(src []byte, at int) string {
	start := bytes.LastIndexByte(src[:at], '\n') + 1
	text := string(src[start:at])
	if strings.Trim(text, " \t") != "" {
		return ""
	}
	return text
}

// wholeLines widens a range to whole lines when nothing else stands on them.
func wholeLines(src []byte, start, end int) (int, int) {
	from := start - len(indentOf(src, start))
	if (from == 0 || src[from-1] == '\n') && bytes.HasPrefix(bytes.TrimLeft(src[end:], " \t\r"), []byte("\n")) {
		return from, end + bytes.IndexByte(src[end:], '\n') + 1
	}
	return start, end
}

// plistFragment renders one value as XML without the frame of a property list.
func plistFragment(value any) (string, error) {
	text, err := plist.MarshalIndent(value, plist.XMLFormat, "\t")
	if err != nil {
		return "", fmt.Errorf("render plist value: %w", err)
	}
	top, err := parsePlistValue(text)
	if err != nil {
		return "", err
	}
	fragment := string(text[top.start:top.end])
	return strings.ReplaceAll(fragment, "\n"+indentOf(text, top.start), "\n"), nil
}

func parsePlistValue(src []byte) (*node, error) {
	d := xml.NewDecoder(bytes.NewReader(src))
	for {
		start := int(d.InputOffset())
		tok, err := d.Token()
		if err != nil {
			return nil, err
		}
		if el, ok := tok.(xml.StartElement); ok && el.Name.Local != "plist" {
			return parseNode(d, el.Name.Local, start, 0)
		}
	}
}

func rewriteBinaryPlist(old []byte, want Spec) ([]byte, error) {
	have, err := decodePlist(old)
	if err != nil {
		return nil, err
	}
	env, _ := have[plistEnv].(map[string]any)
	merged := map[string]any{}
	for name, v := range env {
		if !strings.HasPrefix(name, envPrefix) {
			merged[name] = v
		}
	}
	for _, v := range want.Env {
		merged[v.Name] = v.Value
	}
	for _, key := range managedPlistKeys {
		delete(have, key)
	}
	for _, m := range want.members() {
		have[m.key] = m.value
	}
	have[plistEnv] = merged
	text, err := plist.MarshalIndent(map[string]any(have), plist.XMLFormat, "\t")
	if err != nil {
		return nil, fmt.Errorf("render plist: %w", err)
	}
	return want.addPlistHeader(append(bytes.TrimRight(text, "\n"), '\n')), nil
}
