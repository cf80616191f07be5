package json5

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Parse reads one JSON5 value and nothing after it but blanks and comments. Every
// error is a *SyntaxError.
func Parse(src []byte) (*Value, error) {
	p := &parser{src: src, line: 1, col: 1}
	v, err := p.document()
	if err != nil {
		return nil, err
	}
	return v, nil
}

const (
	eof = rune(-1)
	bom = '\uFEFF'
	ls  = '\u2028' // line separator
	ps  = '\u2029' // paragraph separator
)

// parser reads src from left to right. line and col belong to pos.
type parser struct {
	src       []byte
	pos       int
	line, col int
	depth     int
}

// mark is a place in the source.
type mark struct{ pos, line, col int }

func (p *parser) mark() mark { return mark{p.pos, p.line, p.col} }

func (p *parser) errorAt(m mark, format string, args ...any) *SyntaxError {
	return &SyntaxError{Line: m.line, Col: m.col, Offset: m.pos, Msg: fmt.Sprintf(format, args...)}
}

func (p *parser) errorHere(format string, args ...any) *SyntaxError {
	return p.errorAt(p.mark(), format, args...)
}

// unexpected is the error for the rune at pos, where want was needed.
func (p *parser) unexpected(want string) *SyntaxError {
	return p.errorHere("expected %s, found %s", want, p.found())
}

func (p *parser) found() string {
	r := p.peek()
	switch {
	case r == eof:
		return "the end of the file"
	case unicode.IsPrint(r):
		return fmt.Sprintf("%q", r)
	}
	return fmt.Sprintf("U+%04X", r)
}

// peek returns the rune at pos, eof at the end.
func (p *parser) peek() rune { return p.peekAt(p.pos) }

func (p *parser) peekAt(pos int) rune {
	if pos >= len(p.src) {
		return eof
	}
	if c := p.src[pos]; c < utf8.RuneSelf {
		return rune(c)
	}
	r, _ := utf8.DecodeRune(p.src[pos:])
	return r
}

// next consumes the rune at pos and keeps line and col in step. CR LF is one line
// break. U+2028 and U+2029 end a comment but start no new line for most editors.
func (p *parser) next() rune {
	r := p.peek()
	if r == eof {
		return eof
	}
	p.pos += utf8.RuneLen(r)
	if r == '\n' || r == '\r' && p.peek() != '\n' {
		p.line, p.col = p.line+1, 1
	} else {
		p.col++
	}
	return r
}

// take consumes the rune at pos when it is want.
func (p *parser) take(want rune) bool {
	if p.peek() != want {
		return false
	}
	p.next()
	return true
}

func (p *parser) document() (*Value, *SyntaxError) {
	if err := p.checkUTF8(); err != nil {
		return nil, err
	}
	if p.peek() == bom { // a byte order mark is no column of the first line
		p.next()
		p.col = 1
	}
	if err := p.space(); err != nil {
		return nil, err
	}
	if p.peek() == eof {
		return nil, p.errorHere("expected a value, found nothing but blanks and comments")
	}
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	if err := p.space(); err != nil {
		return nil, err
	}
	if p.peek() != eof {
		return nil, p.unexpected("the end of the file after the value")
	}
	return v, nil
}

// checkUTF8 lets all that follows trust the text to decode.
func (p *parser) checkUTF8() *SyntaxError {
	if utf8.Valid(p.src) {
		return nil
	}
	for p.pos < len(p.src) {
		if r, n := utf8.DecodeRune(p.src[p.pos:]); r == utf8.RuneError && n == 1 {
			return p.errorHere("invalid UTF-8 (byte 0x%02x)", p.src[p.pos])
		}
		p.next()
	}
	return nil
}

// space skips blanks and comments.
func (p *parser) space() *SyntaxError {
	for {
		switch r := p.peek(); {
		case isBlank(r):
			p.next()
		case r == '/':
			if err := p.comment(); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

func (p *parser) comment() *SyntaxError {
	start := p.mark()
	switch p.peekAt(p.pos + 1) {
	case '/':
		for r := p.peek(); r != eof && !isLineEnd(r); r = p.peek() {
			p.next()
		}
		return nil
	case '*':
		p.next()
		p.next()
		for {
			switch p.next() {
			case eof:
				return p.errorAt(start, "comment without an end, expected */")
			case '*':
				if p.take('/') {
					return nil
				}
			}
		}
	}
	return p.unexpected("a value or a comment")
}

func isLineEnd(r rune) bool { return r == '\n' || r == '\r' || r == ls || r == ps }

func isBlank(r rune) bool {
	switch r {
	case ' ', '\t', '\n', '\r', '\v', '\f', '\u00A0', bom, ls, ps:
		return true
	}
	return r >= utf8.RuneSelf && unicode.Is(unicode.Zs, r)
}

func (p *parser) value() (*Value, *SyntaxError) {
	v := &Value{Start: p.pos, Line: p.line, Col: p.col}
	var err *SyntaxError
	switch r := p.peek(); {
	case r == '{':
		err = p.object(v)
	case r == '[':
		err = p.array(v)
	case r == '"' || r == '\'':
		v.Kind = String
		v.Text, err = p.quoted()
	case r == '+' || r == '-' || r == '.' || r >= '0' && r <= '9':
		err = p.number(v)
	case isIdentStart(r):
		err = p.word(v)
	default:
		err = p.unexpected("a value")
	}
	v.End = p.pos
	return v, err
}

// word reads the values that are spelled as a name.
func (p *parser) word(v *Value) *SyntaxError {
	start := p.mark()
	for isIdentPart(p.peek()) {
		p.next()
	}
	switch text := string(p.src[start.pos:p.pos]); text {
	case "null":
	case "true", "false":
		v.Kind, v.Bool = Bool, text == "true"
	case "Infinity", "NaN":
		v.Kind, v.Text = Number, text
	default:
		return p.errorAt(start, "unknown word %q; text needs quotes", text)
	}
	return nil
}

func (p *parser) enter() *SyntaxError {
	if p.depth++; p.depth > MaxDepth {
		return p.errorHere("more than %d nested objects and arrays", MaxDepth)
	}
	p.next()
	return p.space()
}

func (p *parser) array(v *Value) *SyntaxError {
	v.Kind = Array
	if err := p.enter(); err != nil {
		return err
	}
	for !p.take(']') {
		item, err := p.value()
		if err != nil {
			return err
		}
		v.Items = append(v.Items, item)
		if err := p.separator(']', v); err != nil {
			return err
		}
	}
	p.depth--
	return nil
}

// separator reads the comma after a member or item, which the last one may lack.
func (p *parser) separator(closer rune, of *Value) *SyntaxError {
	if err := p.space(); err != nil {
		return err
	}
	if p.take(',') {
		return p.space()
	}
	switch p.peek() {
	case closer:
		return nil
	case eof:
		return p.errorHere("the %s that begins on line %d has no %q", of.Kind, of.Line, closer)
	}
	return p.unexpected(fmt.Sprintf("',' or %q", closer))
}

func (p *parser) object(v *Value) *SyntaxError {
	v.Kind = Object
	if err := p.enter(); err != nil {
		return err
	}
	var lines map[string]int // where each key is; made when the object is large enough to want it
	for !p.take('}') {
		m, err := p.member()
		if err != nil {
			return err
		}
		if first, dup := firstLine(v, lines, m.Key); dup {
			at := mark{m.KeyStart, m.Line, m.Col}
			return p.errorAt(at, "duplicate key %q: on line %d and again on line %d", m.Key, first, m.Line)
		}
		v.Members = append(v.Members, m)
		if len(v.Members) == manyMembers {
			lines = make(map[string]int, 2*manyMembers)
			for _, old := range v.Members {
				lines[old.Key] = old.Line
			}
		} else if lines != nil {
			lines[m.Key] = m.Line
		}
		if err := p.separator('}', v); err != nil {
			return err
		}
	}
	p.depth--
	return nil
}

// manyMembers is the size from which a map beats a scan of the members.
const manyMembers = 16

func firstLine(v *Value, lines map[string]int, key string) (int, bool) {
	if lines != nil {
		line, ok := lines[key]
		return line, ok
	}
	for i := range v.Members {
		if v.Members[i].Key == key {
			return v.Members[i].Line, true
		}
	}
	return 0, false
}

func (p *parser) member() (Member, *SyntaxError) {
	m := Member{KeyStart: p.pos, Line: p.line, Col: p.col}
	var err *SyntaxError
	switch r := p.peek(); {
	case r == '"' || r == '\'':
		m.Key, err = p.quoted()
	case r == '\\' || isIdentStart(r):
		m.Key, err = p.identifier()
	default:
		err = p.unexpected("a key or '}'")
	}
	if err != nil {
		return m, err
	}
	m.KeyEnd = p.pos
	if err := p.space(); err != nil {
		return m, err
	}
	if !p.take(':') {
		return m, p.unexpected(fmt.Sprintf("':' after the key %q", m.Key))
	}
	if err := p.space(); err != nil {
		return m, err
	}
	m.Value, err = p.value()
	return m, err
}
