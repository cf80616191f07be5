package servicegen

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// A service file of ours carries one line that names the version that wrote it
// and the hash of everything else in the file. With it an audit can tell a file
// that a hand changed from one that an older version left.

var headerShape = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\x{feff}?(?:# |<!-- )written by coderclaw (\S+), sha256 ([0-9a-f]{64})`)
})

const unknownVersion = "unknown"

func headerText(version string, rest []byte) string {
	if version == "" {
		version = unknownVersion
	}
	sum := sha256.Sum256(rest)
	return fmt.Sprintf("written by coderclaw %s, sha256 %s of all other lines", version, hex.EncodeToString(sum[:]))
}

// splitHeader finds the header line. rest is src without it; at is where it
// began, -1 when there is none.
func splitHeader(src []byte) (version, sum string, rest []byte, at int) {
	for start := 0; start < len(src); {
		end := len(src)
		if i := bytes.IndexByte(src[start:], '\n'); i >= 0 {
			end = start + i + 1
		}
		if m := headerShape().FindSubmatch(src[start:end]); m != nil {
			version = string(m[1])
			if version == unknownVersion {
				version = ""
			}
			return version, string(m[2]), slices.Concat(src[:start], src[end:]), start
		}
		start = end
	}
	return "", "", src, -1
}

// OriginKind says who wrote a service file.
type OriginKind string

// The kinds of origin.
const (
	OriginOurs   OriginKind = "ours"   // as coderclaw wrote it, this version or another
	OriginEdited OriginKind = "edited" // ours, then changed by a hand
	OriginNode   OriginKind = "node"   // of the Node product that shares our names
	OriginOther  OriginKind = "other"  // of nobody that we know
)

// Origin is where a service file comes from.
type Origin struct {
	Kind    OriginKind
	Version string // that wrote it, "" when unknown
}

// OriginOf reads who wrote src, a unit file or a plist.
func OriginOf(f Format, src []byte) Origin {
	version, sum, rest, at := splitHeader(src)
	if at >= 0 {
		got := sha256.Sum256(rest)
		if hex.EncodeToString(got[:]) == sum {
			return Origin{Kind: OriginOurs, Version: version}
		}
		return Origin{Kind: OriginEdited, Version: version}
	}
	argv, env := commandOf(f, src)
	for i := 1; i < len(argv); i++ {
		if argv[i-1] == "supervisor" && argv[i] == "run" {
			return Origin{Kind: OriginEdited}
		}
	}
	if slices.ContainsFunc(env, func(v EnvVar) bool { return v.Name == "CODERCLAW_SERVICE_MARKER" }) {
		return Origin{Kind: OriginNode}
	}
	if slices.Contains(argv, "gateway") && slices.ContainsFunc(argv, func(a string) bool {
		return strings.Contains(a, "coderclaw")
	}) {
		return Origin{Kind: OriginNode}
	}
	return Origin{Kind: OriginOther}
}

// commandOf reads argv and environment of a service file as far as it can be
// read; both are empty for one that cannot.
func commandOf(f Format, src []byte) (argv []string, env []EnvVar) {
	if f == FormatLaunchd {
		d, err := decodePlist(src)
		if err != nil {
			return nil, nil
		}
		return d.strings("ProgramArguments"), d.env()
	}
	u, err := ParseUnit(src)
	if err != nil {
		return nil, nil
	}
	if lines := u.Values("Service", "ExecStart"); len(lines) > 0 {
		argv, _ = Words(lines[len(lines)-1])
	}
	for _, a := range environment(u) {
		env = append(env, EnvVar{a.name, a.value})
	}
	return argv, env
}
