package rpc

import "bytes"

// fewKeys is up to how many keys of an object are compared one by one.
const fewKeys = 16

// repeats tells whether an object of a valid JSON text may have one key twice. Of such
// keys the last is held against the rules, while package json puts all of them together.
// A key that escapes something counts as one that may.
func repeats(raw []byte) bool {
	found, _ := repeatsAt(raw, skipSpace(raw, 0))
	return found
}

// repeatsAt looks through the value that begins at i, and returns where it ends.
func repeatsAt(raw []byte, i int) (found bool, end int) {
	switch raw[i] {
	case '{':
		return repeatsIn(raw, i)
	case '[':
		for i = skipSpace(raw, i+1); raw[i] != ']'; i = skipSpace(raw, i) {
			if raw[i] == ',' {
				i = skipSpace(raw, i+1)
			}
			if found, i = repeatsAt(raw, i); found {
				return true, i
			}
		}
		return false, i + 1
	}
	return false, valueEnd(raw, i)
}

func repeatsIn(raw []byte, i int) (found bool, end int) {
	var few [fewKeys][]byte
	var many map[string]bool
	n := 0
	for i = skipSpace(raw, i+1); raw[i] != '}'; i = skipSpace(raw, i) {
		if raw[i] == ',' {
			i = skipSpace(raw, i+1)
		}
		end := valueEnd(raw, i)
		key := raw[i:end]
		if bytes.IndexByte(key, '\\') >= 0 || many[string(key)] {
			return true, end
		}
		for _, other := range few[:min(n, fewKeys)] {
			if bytes.Equal(key, other) {
				return true, end
			}
		}
		if n < fewKeys {
			few[n] = key
		} else {
			if many == nil {
				many = map[string]bool{}
			}
			many[string(key)] = true
		}
		n++
		i = skipSpace(raw, skipSpace(raw, end)+1) // behind the colon
		if found, i = repeatsAt(raw, i); found {
			return true, i
		}
	}
	return false, i + 1
}
