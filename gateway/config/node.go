package config

import (
	"strconv"
	"strings"

	"github.com/coderclaw/coderclaw/internal/json5"
)

// place is where something was written.
type place struct {
	file      string
	line, col int
}

// node is a value of the configuration after includes were merged and variables
// replaced. It differs from json5.Value in that neighbours may come from different files.
type node struct {
	kind    json5.Kind
	members []member // of an object, keys unique
	items   []*node  // of an array
	text    string   // of a string
	num     float64  // of a number
	b       bool     // of a boolean
	at      place
	private bool // holds text from a variable, which messages must not repeat
	unset   bool // names a variable that does not exist
}

type member struct {
	key string
	at  place // of the key
	val *node
}

func newNode(v *json5.Value, file string) *node {
	n := &node{kind: v.Kind, b: v.Bool, at: place{file, v.Line, v.Col}}
	switch v.Kind {
	case json5.String:
		n.text = v.Text
	case json5.Number:
		n.num = v.Float()
	case json5.Array:
		n.items = make([]*node, len(v.Items))
		for i, item := range v.Items {
			n.items[i] = newNode(item, file)
		}
	case json5.Object:
		n.members = make([]member, len(v.Members))
		for i, m := range v.Members {
			n.members[i] = member{m.Key, place{file, m.Line, m.Col}, newNode(m.Value, file)}
		}
	}
	return n
}

// get follows keys from n down; nil when one is missing or n is nil.
func (n *node) get(keys ...string) *node {
	for _, key := range keys {
		if n == nil {
			return nil
		}
		var next *node
		for i := range n.members {
			if n.members[i].key == key {
				next = n.members[i].val
				break
			}
		}
		n = next
	}
	return n
}

// any converts to the types of encoding/json.
func (n *node) any() any {
	switch n.kind {
	case json5.Bool:
		return n.b
	case json5.Number:
		return n.num
	case json5.String:
		return n.text
	case json5.Array:
		list := make([]any, len(n.items))
		for i, item := range n.items {
			list[i] = item.any()
		}
		return list
	case json5.Object:
		m := make(map[string]any, len(n.members))
		for _, mem := range n.members {
			m[mem.key] = mem.val.any()
		}
		return m
	}
	return nil
}

// merge lays over upon under: objects recurse, arrays concatenate, else over wins.
func merge(under, over *node) *node {
	switch {
	case under.kind == json5.Object && over.kind == json5.Object:
		out := *under
		out.members = append([]member(nil), under.members...)
		for _, m := range over.members {
			i := memberIndex(out.members, m.key)
			if i < 0 {
				out.members = append(out.members, m)
				continue
			}
			out.members[i] = member{m.key, m.at, merge(out.members[i].val, m.val)}
		}
		return &out
	case under.kind == json5.Array && over.kind == json5.Array:
		out := *under
		out.items = append(append([]*node(nil), under.items...), over.items...)
		return &out
	}
	return over
}

func memberIndex(members []member, key string) int {
	for i := range members {
		if members[i].key == key {
			return i
		}
	}
	return -1
}

// joinKey appends key to a dotted path in the grammar of parsePath.
func joinKey(path, key string) string {
	if strings.ContainsAny(key, `.[]\`) {
		key = strings.NewReplacer(`\`, `\\`, `.`, `\.`, `[`, `\[`, `]`, `\]`).Replace(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func joinIndex(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// article names a kind in a sentence.
func article(k json5.Kind) string {
	switch k {
	case json5.Null:
		return "null"
	case json5.Array, json5.Object:
		return "an " + k.String()
	}
	return "a " + k.String()
}
