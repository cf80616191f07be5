package profiles

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// Lookup reads one variable of an environment.
type Lookup = func(name string) (value string, ok bool)

// maxName is how long the name of a profile may be, in bytes.
const maxName = 32

// wellFormed tells whether name consists of a-z, 0-9, _ and -, and begins with one of the first two.
func wellFormed(name string) bool {
	for i, c := range name {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && (i == 0 || c != '_' && c != '-') {
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

// reserved names would give a profile the service label of the default gateway or of the node host.
var reserved = map[string]string{"gateway": "ai.coderclaw.gateway", "node": "ai.coderclaw.node"}

// ParseName returns the canonical, lower-case form of a profile name that a person typed.
func ParseName(s string) (string, error) {
	name := strings.ToLower(s)
	if !wellFormed(name) {
		return "", exitcode.With(exitcode.Usage, fmt.Errorf(
			"%q is not a profile name: use 1 to %d of a-z, 0-9, _ and -, beginning with a letter or digit", s, maxName))
	}
	if label, ok := reserved[name]; ok {
		return "", exitcode.With(exitcode.Usage, fmt.Errorf(
			"a profile cannot be called %q: the service label %s belongs to another service; choose another name", name, label))
	}
	return name, nil
}

// ParsePort reads a TCP port: decimal digits only, 1 to 65535.
func ParsePort(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || s[0] < '0' || s[0] > '9' {
		return 0, exitcode.With(exitcode.Usage, fmt.Errorf("%q is not a port: use a number from 1 to 65535", s))
	}
	return int(n), nil
}

// checkBase tells whether a port block may begin at base.
func checkBase(base int) error {
	if last := (Block{base}).Last(); base < 1 || last > 65535 {
		return fmt.Errorf("port %d cannot be the base of a block: it takes %d ports up to %d, and 65535 is the last there is", base, BlockSize, last)
	}
	return nil
}

// DefaultPort is the base port of the profile default, and so where a gateway is looked for
// of which nothing else is known.
const DefaultPort = 18789

// IsBuiltin tells whether name is one of the profiles that always exist.
func IsBuiltin(name string) bool { return builtinBase(name) != 0 }

// builtinBase is the base port of a built-in profile, 0 for any other name.
func builtinBase(name string) int {
	switch name {
	case Default:
		return DefaultPort
	case Dev:
		return 19001
	case Rescue:
		return 19789
	}
	return 0
}
