package json5

import (
	"errors"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// quoted reads a string with its quotes and returns what it means. Half of a
// surrogate pair becomes U+FFFD, as in encoding/json.
func (p *parser) quoted() (string, *SyntaxError) {
	start := p.mark()
	quote := p.next()
	var b strings.Builder
	for {
		at := p.mark()
		switch r := p.next(); r {
		case quote:
			return b.String(), nil
		case eof:
			return "", p.errorAt(start, "string without an end, expected %c", quote)
		case '\n', '\r':
			return "", p.errorAt(start, `string without an end on its line, expected %c (a line break inside is written \n)`, quote)
		case '\\':
			if err := p.escape(&b, at); err != nil {
				return "", err
			}
		default:
			b.WriteRune(r)
		}
	}
}

// escape reads what follows a backslash that stood at at.
func (p *parser) escape(b *strings.Builder, at mark) *SyntaxError {
	switch r := p.next(); r {
	case eof:
		return p.errorAt(at, "escape without an end")
	case 'b':
		b.WriteByte('\b')
	case 'f':
		b.WriteByte('\f')
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'v':
		b.WriteByte('\v')
	case '0':
		if next := p.peek(); next >= '0' && next <= '9' {
			return p.errorAt(at, `\0 followed by a digit; octal escapes are not JSON5`)
		}
		b.WriteByte(0)
	case '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return p.errorAt(at, `\%c is not an escape; octal escapes are not JSON5`, r)
	case 'x':
		c, err := p.hex(at, 2)
		if err != nil {
			return err
		}
		b.WriteRune(c)
	case 'u':
		return p.unicodeEscape(b, at)
	case '\n', ls, ps: // a line continuation stands for nothing
	case '\r':
		p.take('\n')
	default:
		b.WriteRune(r)
	}
	return nil
}

func (p *parser) unicodeEscape(b *strings.Builder, at mark) *SyntaxError {
	r, err := p.hex(at, 4)
	if err != nil {
		return err
	}
	if !utf16.IsSurrogate(r) {
		b.WriteRune(r)
		return nil
	}
	if p.peek() == '\\' && p.peekAt(p.pos+1) == 'u' {
		saved := *p
		second := p.mark()
		p.next()
		p.next()
		low, err := p.hex(second, 4)
		if err != nil {
			return err
		}
		if pair := utf16.DecodeRune(r, low); pair != unicode.ReplacementChar {
			b.WriteRune(pair)
			return nil
		}
		*p = saved // the second escape speaks for itself
	}
	b.WriteRune(unicode.ReplacementChar)
	return nil
}

// hex reads n hexadecimal digits of the escape that began at at.
func (p *parser) hex(at mark, n int) (rune, *SyntaxError) {
	var r rune
	for range n {
		d := hexDigit(p.peek())
		if d < 0 {
			return 0, p.errorAt(at, "escape needs %d hexadecimal digits", n)
		}
		r = r<<4 | d
		p.next()
	}
	return r, nil
}

func hexDigit(r rune) rune {
	switch {
	case r >= '0' && r <= '9':
		return r - '0'
	case r >= 'a' && r <= 'f':
		return r - 'a' + 10
	case r >= 'A' && r <= 'F':
		return r - 'A' + 10
	}
	return -1
}

// number reads a literal with its sign and leaves it in v.Text as written.
func (p *parser) number(v *Value) *SyntaxError {
	start := p.mark()
	v.Kind = Number
	if !p.take('+') {
		p.take('-')
	}
	switch r := p.peek(); {
	case isIdentStart(r):
		from := p.pos
		for isIdentPart(p.peek()) {
			p.next()
		}
		if w := string(p.src[from:p.pos]); w != "Infinity" && w != "NaN" {
			return p.errorAt(start, "expected a number, found %q", string(p.src[start.pos:p.pos]))
		}
	case r == '0' && (p.peekAt(p.pos+1) == 'x' || p.peekAt(p.pos+1) == 'X'):
		p.next()
		p.next()
		if p.digits(func(r rune) bool { return hexDigit(r) >= 0 }) == 0 {
			return p.errorAt(start, "0x without a hexadecimal digit")
		}
	default:
		if err := p.decimal(start); err != nil {
			return err
		}
	}
	if isIdentPart(p.peek()) {
		return p.errorHere("%s directly after a number", p.found())
	}
	v.Text = string(p.src[start.pos:p.pos])
	if _, err := parseNumber(v.Text); err != nil {
		if errors.Is(err, strconv.ErrRange) {
			return p.errorAt(start, "the number %s is out of range", shorten(v.Text))
		}
		return p.errorAt(start, "%s is not a number", shorten(v.Text))
	}
	return nil
}

func (p *parser) decimal(start mark) *SyntaxError {
	isDigit := func(r rune) bool { return r >= '0' && r <= '9' }
	leading := p.peek()
	whole := p.digits(isDigit)
	if leading == '0' && whole > 1 {
		return p.errorAt(start, "a number does not begin with 0 (octal is not JSON5)")
	}
	fraction := 0
	if p.take('.') {
		fraction = p.digits(isDigit)
	}
	if whole+fraction == 0 {
		return p.errorAt(start, "expected a number, found %q", string(p.src[start.pos:p.pos]))
	}
	if r := p.peek(); r == 'e' || r == 'E' {
		p.next()
		if !p.take('+') {
			p.take('-')
		}
		if p.digits(isDigit) == 0 {
			return p.errorAt(start, "the exponent of a number has no digit")
		}
	}
	return nil
}

func (p *parser) digits(ok func(rune) bool) int {
	n := 0
	for ; ok(p.peek()); n++ {
		p.next()
	}
	return n
}

// shorten keeps a literal that somebody typed at length out of the way of the message.
func shorten(s string) string {
	const most = 40
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return s[:most] + "…"
}
