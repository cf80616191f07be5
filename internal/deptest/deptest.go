// Package deptest owns the question which packages of this module a package may
// import. Its test holds the directions that the layout promises; the package
// itself has only the rules.
package deptest

import "strings"

// Module is the path of this module.
const Module = "github.com/coderclaw/coderclaw"

// layers are the top folders from the top to the bottom. A package imports
// packages of its own layer's folder and of layers below, never above.
var layers = []string{"cmd", "doctor", "servicegen", "supervisor", "instance", "gateway", "profiles", "internal"}

// apart are folders that never import each other, in either direction.
var apart = [][2]string{
	{"supervisor", "servicegen"},
	{"supervisor", "gateway"},
	{"servicegen", "gateway"},
	{"instance", "gateway"},
	{"instance", "profiles"},
}

// shared are the folders of the gateway that its features build on; every other
// folder below gateway is a feature.
var shared = []string{"protocol", "rpc", "client", "config", "auth", "statelock", "execpolicy"}

// Forbidden says why the package from may not import the package to, "" when it
// may. Both are import paths of this module.
func Forbidden(from, to string) string {
	from, to = strings.TrimPrefix(from, Module+"/"), strings.TrimPrefix(to, Module+"/")
	top := func(p string) string { first, _, _ := strings.Cut(p, "/"); return first }
	rank := func(p string) int {
		for i, l := range layers {
			if l == top(p) {
				return i
			}
		}
		return -1
	}
	if rank(from) < 0 || rank(to) < 0 {
		return "is in no layer"
	}
	if rank(to) < rank(from) {
		return "imports upwards"
	}
	for _, pair := range apart {
		if top(from) == pair[0] && top(to) == pair[1] || top(from) == pair[1] && top(to) == pair[0] {
			return "imports a part that it is to know nothing of"
		}
	}
	if a, b := feature(from), feature(to); a != "" && b != "" && a != b {
		return "imports another feature"
	}
	return ""
}

// feature is the feature of the gateway that the package belongs to, "" if none.
func feature(p string) string {
	rest, ok := strings.CutPrefix(p, "gateway/")
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	for _, s := range shared {
		if s == name {
			return ""
		}
	}
	return name
}
