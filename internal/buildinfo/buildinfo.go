// Package buildinfo owns what a binary knows of its own build. The values come
// from the linker (-X) or, failing that, from the Go build information.
package buildinfo

import "runtime/debug"

var (
	version = "" // set by -ldflags -X
	commit  = ""
)

// Version is the product version, or "dev" for a build that was given none.
func Version() string {
	if version != "" {
		return version
	}
	if bi, ok := debug.ReadBuildInfo(); ok && bi.Main.Version != "" && bi.Main.Version != "(devel)" {
		return bi.Main.Version
	}
	return "dev"
}

// Commit is the source revision, or "" when it is not known.
func Commit() string {
	if commit != "" {
		return commit
	}
	if bi, ok := debug.ReadBuildInfo(); ok {
		for _, s := range bi.Settings {
			if s.Key == "vcs.revision" {
				return s.Value
			}
		}
	}
	return ""
}
