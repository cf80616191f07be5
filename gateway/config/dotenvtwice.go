package config

import (
	"bytes"
	"slices"
)

// EnvFileTwice names the variables that more than one line of the .env file at
// path sets, sorted. A file that cannot be read or has an error has none.
func EnvFileTwice(path string) []string {
	raw, err := readBounded(path)
	if err != nil {
		return nil
	}
	p := envParser{rest: string(bytes.TrimPrefix(raw, []byte("\uFEFF"))), line: 1}
	lines := map[string]int{}
	for p.rest != "" {
		name, _, err := p.entry()
		if err != nil {
			return nil
		}
		lines[name]++
	}
	var out []string
	for name, n := range lines {
		if n > 1 && name != "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
