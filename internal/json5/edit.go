package json5

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Set returns src with the value at path replaced by literal, which is JSON5
// itself. path names object keys from the root down. When the value exists only
// its bytes change. A missing key becomes the last member of its object, in the
// indentation and key style of the file; missing objects on the way are made.
// Comments stay. An empty path replaces the root value.
//
// It fails on src or literal that do not parse and on a path that leads through
// a value that is no object.
func Set(src []byte, path []string, literal string) ([]byte, error) {
	root, err := Parse(src)
	if err != nil {
		return nil, err
	}
	lit, err := Parse([]byte(literal))
	if err != nil {
		return nil, fmt.Errorf("the new value: %w", err)
	}
	literal = literal[lit.Start:lit.End] // a comment after the value would swallow what follows
	at, left := root, path
	for len(left) > 0 {
		if at.Kind != Object {
			done := strings.Join(path[:len(path)-len(left)], ".")
			return nil, fmt.Errorf("cannot set %s: line %d: %q is no object but of kind %s",
				strings.Join(path, "."), at.Line, done, at.Kind)
		}
		next := at.Get(left[0])
		if next == nil {
			return insert(src, root, at, left, literal), nil
		}
		at, left = next, left[1:]
	}
	return splice(src, at.Start, at.End, literal), nil
}

func splice(src []byte, from, to int, text string) []byte {
	out := make([]byte, 0, len(src)-(to-from)+len(text))
	out = append(out, src[:from]...)
	out = append(out, text...)
	return append(out, src[to:]...)
}

// insert adds the member path[0] to obj; the rest of path nests below it.
func insert(src []byte, root, obj *Value, path []string, literal string) []byte {
	closer := obj.End - 1
	from := obj.Start + 1
	if n := len(obj.Members); n > 0 {
		from = obj.Members[n-1].Value.End
	}
	comma, last := tail(src, from, closer)
	st := styleOf(src, root, obj)
	spread := len(obj.Members) == 0 || bytes.ContainsAny(src[last:closer], "\n\r\u2028\u2029")
	member := st.member(path, literal, spread)

	var b strings.Builder
	b.Write(src[:from])
	if len(obj.Members) > 0 && comma < 0 {
		b.WriteByte(',')
	}
	b.Write(src[from:last])
	if spread {
		b.WriteString(st.newline + st.indent)
	} else {
		b.WriteByte(' ')
	}
	b.WriteString(member)
	if comma >= 0 {
		b.WriteByte(',')
	}
	if spread && !bytes.ContainsAny(src[last:closer], "\n\r\u2028\u2029") {
		b.WriteString(st.newline + st.outer) // a brace pair of one line opens up
	} else {
		b.Write(src[last:closer])
	}
	b.Write(src[closer:])
	return []byte(b.String())
}

// tail looks at the blanks and comments of src[from:closer]: where the comma is,
// -1 for none, and where the last thing that is no blank ends.
func tail(src []byte, from, closer int) (comma, last int) {
	p := &parser{src: src[:closer], pos: from}
	comma, last = -1, from
	for p.pos < closer {
		switch r := p.peek(); {
		case isBlank(r):
			p.next()
			continue
		case r == ',':
			comma = p.pos
			p.next()
		default:
			if p.comment() != nil { // cannot be: the text has parsed
				return comma, last
			}
		}
		last = p.pos
	}
	return comma, last
}

// style is how the file is written around the place of a new member.
type style struct {
	newline string
	outer   string // indentation of the line of the closing brace
	indent  string // indentation of a member
	unit    string // what a level adds
	bare    bool   // keys without quotes
}

func styleOf(src []byte, root, obj *Value) style {
	s := style{newline: "\n", unit: "  "}
	if bytes.Contains(src, []byte("\r\n")) {
		s.newline = "\r\n"
	}
	if len(root.Members) > 0 {
		if in, own := indentAt(src, root.Members[0].KeyStart); own && in != "" {
			s.unit = in
		}
		s.bare = isBare(src, root.Members[0])
	}
	s.outer, _ = indentAt(src, obj.Start)
	s.indent = s.outer + s.unit
	if n := len(obj.Members); n > 0 {
		m := obj.Members[n-1]
		if in, own := indentAt(src, m.KeyStart); own {
			s.indent = in
		}
		s.bare = isBare(src, m)
	}
	return s
}

func isBare(src []byte, m Member) bool {
	return src[m.KeyStart] != '"' && src[m.KeyStart] != '\''
}

// indentAt returns the blanks that begin the line of pos, and whether nothing but they precede it.
func indentAt(src []byte, pos int) (indent string, own bool) {
	start := bytes.LastIndexAny(src[:pos], "\n\r") + 1
	line := src[start:pos]
	blank := len(line) - len(bytes.TrimLeft(line, " \t"))
	return string(line[:blank]), blank == len(line)
}

// member writes the member path[0], with an object for each further key.
func (s style) member(path []string, literal string, spread bool) string {
	key := s.key(path[0]) + ": "
	if len(path) == 1 {
		return key + literal
	}
	if !spread {
		return key + "{ " + s.member(path[1:], literal, false) + " }"
	}
	in := s
	in.indent += s.unit
	return key + "{" + s.newline + in.indent + in.member(path[1:], literal, true) + s.newline + s.indent + "}"
}

func (s style) key(key string) string {
	if s.bare && isName(key) {
		return key
	}
	return Quote(key)
}

// isName tells whether key can stand without quotes and escapes.
func isName(key string) bool {
	for i, r := range key {
		if r == utf8.RuneError || i == 0 && !isIdentStart(r) || !isIdentPart(r) {
			return false
		}
	}
	return key != ""
}

// Quote returns the double-quoted literal of s, which is JSON as well. Bytes that
// are not UTF-8 become U+FFFD.
func Quote(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil { // cannot be: every string encodes
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}
