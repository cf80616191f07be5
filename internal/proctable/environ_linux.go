package proctable

import (
	"bytes"
	"fmt"
	"os"
)

// HasEnv tells whether the process was started with the variable, written
// NAME=value, in its environment; false when that may not be seen.
func HasEnv(pid int, variable string) bool {
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	for kv := range bytes.SplitSeq(environ, []byte{0}) {
		if string(kv) == variable {
			return true
		}
	}
	return false
}
