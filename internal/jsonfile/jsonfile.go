// Package jsonfile owns the form of the small JSON files that a program keeps for itself in
// a state dir: how they are written, and what is said of one that cannot be read. What is
// in them belongs to its users; they see to it that one at a time writes.
package jsonfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/coderclaw/coderclaw/internal/atomicfile"
)

// Write makes v the content of a file that only its owner can read. The directory is made
// where there is none.
func Write(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicfile.WriteFile(path, append(text, '\n'), 0o600)
}

// ReadMap reads a JSON object whose entries must all pass sound. A file that is not there
// is an empty one.
func ReadMap[V any](path string, sound func(key string, v V) bool) (map[string]V, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]V{}, nil
	}
	if err != nil {
		return nil, err
	}
	return parseMap(path, raw, sound)
}

func parseMap[V any](path string, raw []byte, sound func(string, V) bool) (map[string]V, error) {
	var m map[string]V
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("%s: %w; mend or remove it", path, err)
	}
	if m == nil {
		return nil, fmt.Errorf("%s: holds null where it should hold an object; mend or remove it", path)
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !sound(key, m[key]) {
			return nil, fmt.Errorf("%s: the entry %q is damaged; mend or remove it", path, key)
		}
	}
	return m, nil
}
