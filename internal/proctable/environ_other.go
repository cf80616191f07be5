//go:build !linux

package proctable

// HasEnv tells whether the process was started with the variable, written
// NAME=value, in its environment. Here that cannot be seen.
func HasEnv(int, string) bool { return false }

// WithEnv finds the living processes that were started with one of the variables,
// written NAME=value, in their environment. Here that cannot be seen, so it finds none.
func WithEnv([]string) (map[int]uint64, error) { return nil, nil }
