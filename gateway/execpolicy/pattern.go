package execpolicy

import (
	"strings"
)

// matches tells whether a pattern fits a program's path. A ? is one character, * any
// number, neither a separator; ** is any number of anything. A pattern that names no
// directory fits nothing: programs of one name may lie anywhere.
func matches(pattern, path string) bool {
	pattern, path = strings.ReplaceAll(strings.TrimSpace(pattern), `\`, "/"), strings.ReplaceAll(path, `\`, "/")
	if !Matchable(pattern) {
		return false
	}
	return match([]rune(pattern), []rune(path))
}

// Matchable tells whether a pattern can fit any path.
func Matchable(pattern string) bool { return strings.ContainsAny(pattern, `/\`) }

// match walks the path once for each character of the pattern: at holds where in the
// path the pattern so far may end.
func match(pattern, path []rune) bool {
	at := make([]bool, len(path)+1)
	at[0] = true
	for i := 0; i < len(pattern); i++ {
		next := make([]bool, len(path)+1)
		switch {
		case pattern[i] == '*':
			deep := i+1 < len(pattern) && pattern[i+1] == '*'
			if deep {
				i++
			}
			for j := range next {
				next[j] = at[j] || j > 0 && next[j-1] && (deep || path[j-1] != '/')
			}
		default:
			for j := 1; j < len(next); j++ {
				next[j] = at[j-1] && (pattern[i] == path[j-1] || pattern[i] == '?' && path[j-1] != '/')
			}
		}
		at = next
	}
	return at[len(path)]
}
