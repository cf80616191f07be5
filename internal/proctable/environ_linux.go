package proctable

import (
	"bytes"
	"fmt"
	"os"
)

// HasEnv tells whether the process was started with the variable, written
// NAME=value, in its environment; false when that may not be seen.
func HasEnv(pid int, variable string) bool { return hasEnvOf(pid, map[string]bool{variable: true}) }

func hasEnvOf(pid int, variables map[string]bool) bool {
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return false
	}
	for kv := range bytes.SplitSeq(environ, []byte{0}) {
		if variables[string(kv)] {
			return true
		}
	}
	return false
}

// WithEnv finds the living processes that were started with one of the variables,
// written NAME=value, in their environment: their start times by pid. Those whose
// environment may not be seen are left out.
func WithEnv(variables []string) (map[int]uint64, error) {
	all, err := parents()
	if err != nil {
		return nil, err
	}
	wanted := make(map[string]bool, len(variables)) // one for each of hundreds of gateways
	for _, v := range variables {
		wanted[v] = true
	}
	found := map[int]uint64{}
	for pid := range all {
		start, err := StartTime(pid)
		if err == nil && hasEnvOf(pid, wanted) {
			found[pid] = start
		}
	}
	return found, nil
}
