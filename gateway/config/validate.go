package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/coderclaw/coderclaw/internal/json5"
)

// types is a set of the types that a key accepts.
type types uint8

const (
	isText types = 1 << iota
	isInt
	isNumber
	isBool
	isList
	isObject
)

// key describes one key of the file. The tree of keys is the single place where the
// file format is written down: validation, defaults and the reference come from it.
type key struct {
	name   string // "*" stands for any name
	types  types
	enum   []string // the texts allowed
	lo, hi float64  // range of a number, when hi > lo
	def    string   // the default as the reference shows it, "" for none
	doc    string
	read   bool // this version acts on it; a group is read when one of its keys is
	quiet  bool // nothing needs to act on it, so no warning
	open   bool // unknown keys below it pass
	keys   func() []key
	item   *key                                // of a list
	check  func(n *node) (message, fix string) // what types cannot say; "" when it is fine
}

// checked is the outcome of validate.
type checked struct{ problems, warnings []Problem }

// validate compares the resolved tree with the schema.
func validate(root *node) checked {
	v := &validator{moved: movedKeys()}
	v.object(root, "", &key{types: isObject, read: true, keys: rootKeys})
	return v.checked
}

type validator struct {
	checked
	moved  map[string]string
	silent bool // a warning for an enclosing key covers all below it
}

func (v *validator) problem(at place, path, fix, format string, args ...any) {
	v.problems = append(v.problems, Problem{File: at.file, Line: at.line, Col: at.col, Path: path,
		Message: fmt.Sprintf(format, args...), Fix: fix})
}

func (v *validator) object(n *node, path string, k *key) {
	if k.keys == nil {
		return
	}
	keys := k.keys()
	for _, m := range n.members {
		sub := joinKey(path, m.key)
		found := findKey(keys, m.key)
		if found == nil {
			if !k.open {
				v.unknown(m, sub, keys)
			}
			continue
		}
		v.member(m, sub, found)
	}
}

func findKey(keys []key, name string) *key {
	var wild *key
	for i := range keys {
		if keys[i].name == name {
			return &keys[i]
		}
		if keys[i].name == "*" {
			wild = &keys[i]
		}
	}
	return wild
}

func (v *validator) unknown(m member, path string, siblings []key) {
	if to, ok := v.moved[path]; ok {
		message, fix := movedMessage(path, to)
		v.problem(m.at, path, fix, "%s", message)
		return
	}
	fix := "remove it"
	if near := nearest(m.key, siblings); near != "" {
		fix = fmt.Sprintf("did you mean %q?", near)
	}
	if id, ok := strings.CutPrefix(path, "channels."); ok && !strings.Contains(id, ".") {
		v.problem(m.at, path, fix, "unknown channel id: %s", m.key)
		return
	}
	v.problem(m.at, path, fix, "unknown key")
}

func (v *validator) member(m member, path string, k *key) {
	was := v.silent
	if !k.read && !k.quiet && !v.silent {
		v.silent = true
		v.warnings = append(v.warnings, Problem{File: m.at.file, Line: m.at.line, Col: m.at.col, Path: path,
			Message: "has no effect in this version"})
	} else if k.quiet {
		v.silent = true
	}
	v.value(m.val, path, k)
	v.silent = was
}

func (v *validator) value(n *node, path string, k *key) {
	if n.unset {
		return // its variable is the problem
	}
	if !accepts(k.types, n) {
		v.problem(n.at, path, "", "must be %s, is %s", wants(k), shown(n, path))
		return
	}
	switch n.kind {
	case json5.String:
		if len(k.enum) > 0 && !slices.Contains(k.enum, n.text) {
			fix := ""
			if near := nearestText(n.text, k.enum); near != "" && !n.private {
				fix = fmt.Sprintf("did you mean %q?", near)
			}
			v.problem(n.at, path, fix, "must be %s, is %s", wants(k), shown(n, path))
			return
		}
	case json5.Number:
		if k.hi > k.lo && (n.num < k.lo || n.num > k.hi) {
			v.problem(n.at, path, "", "must be %s, is %s", wants(k), shown(n, path))
			return
		}
	case json5.Array:
		for i, item := range n.items {
			if k.item != nil {
				v.value(item, joinIndex(path, i), k.item)
			}
		}
	case json5.Object:
		v.object(n, path, k)
	}
	if k.check != nil {
		if message, fix := k.check(n); message != "" {
			v.problem(n.at, path, fix, "%s", message)
		}
	}
}

func accepts(t types, n *node) bool {
	switch n.kind {
	case json5.String:
		return t&isText != 0
	case json5.Bool:
		return t&isBool != 0
	case json5.Array:
		return t&isList != 0
	case json5.Object:
		return t&isObject != 0
	case json5.Number:
		whole := n.num == math.Trunc(n.num) && math.Abs(n.num) <= 1<<53
		return t&isNumber != 0 || t&isInt != 0 && whole
	}
	return false // no key accepts null
}

// wants says in words what k accepts.
func wants(k *key) string {
	var words []string
	if k.types&isText != 0 {
		if len(k.enum) > 0 {
			quoted := make([]string, len(k.enum))
			for i, e := range k.enum {
				quoted[i] = strconv.Quote(e)
			}
			words = append(words, quoted...)
		} else {
			words = append(words, "text in quotes")
		}
	}
	switch {
	case k.types&isNumber != 0:
		words = append(words, "a number"+span(k))
	case k.types&isInt != 0:
		words = append(words, "a whole number"+span(k))
	}
	if k.types&isBool != 0 {
		words = append(words, "true or false")
	}
	if k.types&isList != 0 {
		words = append(words, "a list [...]")
	}
	if k.types&isObject != 0 {
		words = append(words, "an object {...}")
	}
	if len(words) > 1 {
		return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
	}
	return strings.Join(words, "")
}

func span(k *key) string {
	switch {
	case k.hi <= k.lo:
		return ""
	case k.hi >= noLimit:
		return " of " + plain(k.lo) + " or more"
	}
	return " from " + plain(k.lo) + " to " + plain(k.hi)
}

func plain(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// shown describes the value of n without giving a secret away.
func shown(n *node, path string) string {
	if sensitive(path) {
		switch n.kind {
		case json5.String:
			return hiddenText
		case json5.Number, json5.Bool:
			return "a " + n.kind.String()
		}
	}
	return describe(n)
}

// hiddenText stands for a text that may be a secret.
const hiddenText = "a text that is not shown"

func describe(n *node) string {
	if n.private {
		return hiddenText
	}
	switch n.kind {
	case json5.String:
		if len(n.text) > 60 {
			return "a long text"
		}
		return strconv.Quote(n.text)
	case json5.Number:
		return strconv.FormatFloat(n.num, 'g', -1, 64)
	case json5.Bool:
		return strconv.FormatBool(n.b)
	case json5.Array:
		return "a list"
	case json5.Object:
		return "an object"
	}
	return "null"
}
