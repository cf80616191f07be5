package json5

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// identifier reads an unquoted key: an ECMAScript name, \uXXXX escapes included.
func (p *parser) identifier() (string, *SyntaxError) {
	var b strings.Builder
	for {
		at, r := p.mark(), p.peek()
		if r == '\\' {
			p.next()
			if !p.take('u') {
				return "", p.errorAt(at, `an unquoted key can hold \uXXXX and no other escape`)
			}
			var err *SyntaxError
			if r, err = p.hex(at, 4); err != nil {
				return "", err
			}
			if b.Len() == 0 && !isIdentStart(r) || !isIdentPart(r) {
				return "", p.errorAt(at, "U+%04X cannot stand in an unquoted key", r)
			}
			b.WriteRune(r)
			continue
		}
		if b.Len() == 0 && !isIdentStart(r) || !isIdentPart(r) {
			return b.String(), nil
		}
		b.WriteRune(p.next())
	}
}

func isIdentStart(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', r == '$':
		return true
	case r < utf8.RuneSelf:
		return false
	}
	return unicode.In(r, unicode.L, unicode.Nl)
}

func isIdentPart(r rune) bool {
	switch {
	case isIdentStart(r), r >= '0' && r <= '9':
		return true
	case r < utf8.RuneSelf:
		return false
	case r == '\u200C', r == '\u200D': // zero width non-joiner and joiner
		return true
	}
	return unicode.In(r, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc)
}
