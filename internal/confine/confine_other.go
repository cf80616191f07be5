//go:build !linux

package confine

import "runtime"

// Apply confines this process on Linux. Here it does nothing and says so.
func Apply(p Policy) (Report, error) {
	r := Report{Mode: p.Mode}
	if p.Mode != Off {
		_, why := Landlock()
		r.missing("landlock: " + why)
	}
	return r, nil
}

// Landlock is the version of the interface that the kernel has, or 0 and the reason.
func Landlock() (abi int, why string) { return 0, "there is none on " + runtime.GOOS }
