package servicegen

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// wordSpace separates words and surrounds values in unit files.
const wordSpace = " \t\n\r"

// Words splits the value of an Exec line, or of Environment=, the way systemd
// does: at white space, with quotes of both kinds and C escapes resolved.
// Specifiers (%h) and variables ($HOME) stay as they are written.
func Words(value string) ([]string, error) {
	spans, err := splitWords(value)
	words := make([]string, 0, len(spans))
	for _, s := range spans {
		words = append(words, s.text)
	}
	return words, err
}

// span is one word and where it stands in its value.
type span struct {
	text       string
	start, end int
}

var errQuote = errors.New("a quote is not closed")

// splitWords returns the words before the first one that is malformed, too.
func splitWords(v string) ([]span, error) {
	var out []span
	i := 0
	for {
		for i < len(v) && strings.IndexByte(wordSpace, v[i]) >= 0 {
			i++
		}
		if i == len(v) {
			return out, nil
		}
		word, end, err := scanWord(v, i)
		if err != nil {
			return out, fmt.Errorf("column %d: %w", i+1, err)
		}
		out = append(out, span{word, i, end})
		i = end
	}
}

func scanWord(v string, i int) (string, int, error) {
	var b strings.Builder
	quote := byte(0)
	for i < len(v) {
		c := v[i]
		switch {
		case c == '\\':
			text, n := unescape(v[i:])
			b.WriteString(text)
			i += n
			continue
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			b.WriteByte(c)
		case c == '"' || c == '\'':
			quote = c
		case strings.IndexByte(wordSpace, c) >= 0:
			return b.String(), i, nil
		default:
			b.WriteByte(c)
		}
		i++
	}
	if quote != 0 {
		return "", i, errQuote
	}
	return b.String(), i, nil
}

var simpleEscapes = map[byte]string{
	'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v",
	'\\': `\`, '"': `"`, '\'': "'", 's': " ", ';': ";",
}

// unescape reads one escape at the start of s and returns its text and length.
// What is no escape stays as it is written, which is how systemd falls back.
func unescape(s string) (string, int) {
	if len(s) < 2 {
		return s, len(s)
	}
	if t, ok := simpleEscapes[s[1]]; ok {
		return t, 2
	}
	digits, base, from := 0, 16, 2
	switch c := s[1]; {
	case c == 'x':
		digits = 2
	case c == 'u':
		digits = 4
	case c == 'U':
		digits = 8
	case c >= '0' && c <= '7':
		digits, base, from = 3, 8, 1
	}
	if digits == 0 || len(s) < from+digits {
		return s[:1], 1
	}
	n, err := strconv.ParseUint(s[from:from+digits], base, 32)
	wide := s[1] == 'u' || s[1] == 'U'
	if err != nil || n == 0 || (!wide && n > 255) || (wide && !utf8.ValidRune(rune(n))) {
		return s[:1], 1
	}
	if wide {
		return string(rune(n)), from + digits
	}
	return string([]byte{byte(n)}), from + digits
}

// quoteWord writes text so that splitWords reads it back as one word.
func quoteWord(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// quoteIfNeeded leaves words bare that read the same without quotes.
func quoteIfNeeded(text string) string {
	if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=+,@-") == "" {
		return text
	}
	return quoteWord(text)
}

// Two layers lie above quoting. Specifiers (%) are resolved in almost every
// value when a unit is loaded, variables ($) in the arguments of Exec lines
// when it is started; in the path of the program "$" means itself and "$$" two.
func escapePercent(s string) string { return strings.ReplaceAll(s, "%", "%%") }
func escapeDollar(s string) string  { return strings.ReplaceAll(s, "$", "$$") }

func unescapePercent(s string) string { return strings.ReplaceAll(s, "%%", "%") }
func unescapeDollar(s string) string  { return strings.ReplaceAll(s, "$$", "$") }

// hasSpecifier tells whether s holds a specifier that only a manager can resolve.
func hasSpecifier(s string) bool {
	return strings.Contains(strings.ReplaceAll(s, "%%", ""), "%")
}
