package config

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/coderclaw/coderclaw/internal/json5"
	"github.com/coderclaw/coderclaw/profiles"
)

// envBlock adds the variables of the block "env" to lookup. A variable that has a
// value already keeps it; keys directly under "env" win over "env.vars".
func envBlock(root *node, lookup func(string) (string, bool)) func(string) (string, bool) {
	env := root.get("env")
	return func(name string) (string, bool) {
		if v, ok := lookup(name); ok && strings.TrimSpace(v) != "" {
			return v, true
		}
		for _, n := range []*node{env.get(name), env.get("vars", name)} {
			if n != nil && n.kind == json5.String {
				return n.text, true
			}
		}
		return "", false
	}
}

// substitute replaces ${NAME} in every string below root. The env block comes
// first and draws on lookup alone: its values may name outer variables, not each other.
func substitute(root *node, lookup func(string) (string, bool)) []Problem {
	s := substituter{lookup: lookup}
	env := root.get("env")
	if env != nil {
		s.walk(env, "env")
	}
	s.lookup = envBlock(root, lookup)
	for _, m := range root.members {
		if m.val != env {
			s.walk(m.val, joinKey("", m.key))
		}
	}
	return s.problems
}

type substituter struct {
	lookup   func(string) (string, bool)
	problems []Problem
}

func (s *substituter) walk(n *node, path string) {
	switch n.kind {
	case json5.String:
		s.text(n, path)
	case json5.Array:
		for i, item := range n.items {
			s.walk(item, joinIndex(path, i))
		}
	case json5.Object:
		for _, m := range n.members {
			s.walk(m.val, joinKey(path, m.key))
		}
	}
}

func (s *substituter) text(n *node, path string) {
	if !strings.Contains(n.text, "$") {
		return
	}
	var b strings.Builder
	rest := n.text
	for {
		i := strings.IndexByte(rest, '$')
		if i < 0 {
			break
		}
		b.WriteString(rest[:i])
		rest = rest[i:]
		if _, size := varAt(rest[1:]); size > 0 { // $${NAME} is the text ${NAME}
			b.WriteString(rest[1 : 1+size])
			rest = rest[1+size:]
			continue
		}
		name, size := varAt(rest)
		if size == 0 {
			b.WriteByte('$')
			rest = rest[1:]
			continue
		}
		rest = rest[size:]
		value, ok := s.lookup(name)
		if !ok || value == "" {
			n.unset = true
			s.problems = append(s.problems, Problem{File: n.at.file, Line: n.at.line, Col: n.at.col, Path: path,
				Message: fmt.Sprintf("Missing env var %q referenced at config path: %s", name, path),
				Fix:     "put " + name + "=… into the file .env of the state dir (mode 0600), or name it in pass_env of the profile"})
			continue
		}
		b.WriteString(value)
		n.private = true
	}
	n.text = b.String() + rest
}

// varAt reads ${NAME} at the start of s and returns NAME and the size of the whole; 0 when s begins otherwise.
func varAt(s string) (name string, size int) {
	if !strings.HasPrefix(s, "${") {
		return "", 0
	}
	end := strings.IndexByte(s, '}')
	if end < 0 {
		return "", 0
	}
	name = s[2:end]
	for i, c := range []byte(name) {
		if c != '_' && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return "", 0
		}
	}
	if name == "" {
		return "", 0
	}
	return name, end + 1
}

// expandHome replaces a leading ~ in strings whose key says that they are paths
// (spec/config §1). Without a home directory they stay as written.
func expandHome(root *node, lookup func(string) (string, bool)) {
	home, err := profiles.Home(lookup)
	if err != nil || home == "" {
		return
	}
	var walk func(n *node, key string)
	walk = func(n *node, key string) {
		switch n.kind {
		case json5.String:
			if isPathKey(key) {
				n.text = expandTilde(n.text, home)
			}
		case json5.Array:
			if key != "paths" && key != "pathPrepend" {
				key = ""
			}
			for _, item := range n.items {
				walk(item, key)
			}
		case json5.Object:
			for _, m := range n.members {
				walk(m.val, m.key)
			}
		}
	}
	walk(root, "")
}

func isPathKey(key string) bool {
	lower := strings.ToLower(key)
	for _, suffix := range []string{"dir", "path", "paths", "file", "root", "workspace"} {
		if strings.HasSuffix(lower, suffix) {
			return true
		}
	}
	return lower == "pathprepend"
}

// expandTilde replaces a leading "~" or "~/" by home; other users' homes are not looked up.
func expandTilde(path, home string) string {
	if path == "~" {
		return home
	}
	if strings.HasPrefix(path, "~/") || strings.HasPrefix(path, `~\`) {
		return filepath.Join(home, path[2:])
	}
	return path
}
