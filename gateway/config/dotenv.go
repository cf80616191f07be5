package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf8"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
)

// LoadEnvFile reads NAME=VALUE lines; a missing file is empty. "export" may precede
// the name. A value may stand in single quotes (literal) or double quotes (\n, \r,
// \t, \", \\ and \$ are escapes), and either may span lines; without quotes it ends
// at the line or at a # after a blank. The last of several lines for a name counts.
// Nothing is expanded. Errors name file and line, never a value, and are marked
// exitcode.Config.
func LoadEnvFile(path string) (map[string]string, error) {
	raw, err := readBounded(path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, exitcode.With(exitcode.Config, fmt.Errorf("environment file: %w", err))
	}
	env, err := parseEnv(raw)
	if err != nil {
		return nil, exitcode.With(exitcode.Config, fmt.Errorf("%s:%w", path, err))
	}
	return env, nil
}

// Environment is what ${NAME} in the config of p, and the gateway of p, may draw on:
// the .env file of the state dir first, then those variables of passEnv that the
// profile lists in pass_env. The map holds the same for the hand-off to the gateway;
// it has secrets in it. passEnv may be nil.
func Environment(p profiles.Profile, passEnv func(string) (string, bool)) (func(string) (string, bool), map[string]string, error) {
	env, err := LoadEnvFile(p.EnvFile())
	if err != nil {
		if foreign := thisHost().owned(p.StateDir); foreign != nil {
			return nil, nil, foreign // which is why it cannot be read
		}
		return nil, nil, err
	}
	for _, name := range p.PassEnv {
		if _, own := env[name]; own || passEnv == nil {
			continue
		}
		if v, ok := passEnv(name); ok {
			env[name] = v
		}
	}
	return func(name string) (string, bool) { v, ok := env[name]; return v, ok }, env, nil
}

// parseEnv returns errors that begin with the line number.
func parseEnv(raw []byte) (map[string]string, error) {
	raw = bytes.TrimPrefix(raw, []byte("\uFEFF"))
	p := envParser{rest: string(raw), line: 1}
	env := map[string]string{}
	for p.rest != "" {
		line := p.line
		name, value, err := p.entry()
		if err != nil {
			return nil, fmt.Errorf("%d: %w", line, err)
		}
		if !utf8.ValidString(value) || strings.IndexByte(value, 0) >= 0 {
			return nil, fmt.Errorf("%d: the value of %s holds bytes that no variable can have", line, name)
		}
		if name != "" {
			env[name] = value
		}
	}
	return env, nil
}

// envParser reads one entry after another.
type envParser struct {
	rest string
	line int
}

// takeLine removes the current line with its end and returns it without.
func (p *envParser) takeLine() string {
	i := strings.IndexAny(p.rest, "\r\n")
	if i < 0 {
		line := p.rest
		p.rest = ""
		return line
	}
	line := p.rest[:i]
	if strings.HasPrefix(p.rest[i:], "\r\n") {
		i++
	}
	p.rest = p.rest[i+1:]
	p.line++
	return line
}

// entry reads one line, or as many as a quoted value spans. The name is "" for a
// line that holds nothing.
func (p *envParser) entry() (name, value string, err error) {
	trimmed := strings.TrimLeft(p.rest, " \t")
	if trimmed == "" || strings.ContainsRune("\r\n#", rune(trimmed[0])) {
		p.takeLine()
		return "", "", nil
	}
	if after, ok := strings.CutPrefix(trimmed, "export"); ok && after != "" && (after[0] == ' ' || after[0] == '\t') {
		trimmed = strings.TrimLeft(after, " \t")
	}
	end := 0
	for end < len(trimmed) && isNameByte(trimmed[end], end == 0) {
		end++
	}
	name, p.rest = trimmed[:end], strings.TrimLeft(trimmed[end:], " \t")
	if name == "" || !strings.HasPrefix(p.rest, "=") {
		return "", "", errors.New("expected NAME=VALUE, where NAME has letters, digits and _ and begins with no digit")
	}
	p.rest = strings.TrimLeft(p.rest[1:], " \t")
	if p.rest != "" && (p.rest[0] == '"' || p.rest[0] == '\'') {
		value, err = p.quoted(name)
		return name, value, err
	}
	value = p.takeLine()
	if strings.HasPrefix(value, "#") {
		return name, "", nil
	}
	for i := 1; i < len(value); i++ {
		if value[i] == '#' && (value[i-1] == ' ' || value[i-1] == '\t') {
			value = value[:i]
			break
		}
	}
	return name, strings.TrimRight(value, " \t"), nil
}

func isNameByte(c byte, first bool) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || !first && c >= '0' && c <= '9'
}

func (p *envParser) quoted(name string) (string, error) {
	quote := p.rest[0]
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		c := p.rest[i]
		switch {
		case c == quote:
			p.line += strings.Count(p.rest[:i], "\n")
			p.rest = p.rest[i+1:]
			if after := strings.TrimLeft(p.takeLine(), " \t"); after != "" && after[0] != '#' {
				return "", fmt.Errorf("text after the closing quote of %s", name)
			}
			return b.String(), nil
		case c == '\\' && quote == '"' && i+1 < len(p.rest):
			i++
			b.WriteString(unescape(p.rest[i]))
		case c == '\r' && i+1 < len(p.rest) && p.rest[i+1] == '\n': // one line break, however it is written
		default:
			b.WriteByte(c)
		}
	}
	return "", fmt.Errorf("the value of %s has no closing %c", name, quote)
}

// unescape is what a backslash and c mean; a backslash before any other character stays.
func unescape(c byte) string {
	switch c {
	case 'n':
		return "\n"
	case 'r':
		return "\r"
	case 't':
		return "\t"
	case '"', '\\', '$':
		return string(c)
	}
	return string([]byte{0x5c, c})
}
