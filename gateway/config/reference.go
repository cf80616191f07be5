package config

import "strings"

// KeyDoc describes one key for the reference.
type KeyDoc struct {
	Path    string // dotted; * is a name of one's own, [] an item of a list
	Type    string // in words, with the values allowed
	Default string // "" for none
	Doc     string
	Read    bool // this version acts on it
}

// Reference returns every key that the file may hold, in the order of the schema,
// parents before their children.
func Reference() []KeyDoc {
	var out []KeyDoc
	var walk func(path string, k *key)
	walk = func(path string, k *key) {
		if k.doc != "" {
			out = append(out, KeyDoc{Path: path, Type: typeWords(k), Default: k.def, Doc: k.doc, Read: k.read || k.quiet})
		}
		if k.item != nil {
			walk(path+"[]", k.item)
		}
		if k.keys == nil {
			return
		}
		for _, sub := range k.keys() {
			at := sub.name
			if path != "" {
				at = path + "." + at
			}
			walk(at, &sub)
		}
	}
	for _, k := range rootKeys() {
		walk(k.name, &k)
	}
	return out
}

// typeWords is the type of k as the reference shows it.
func typeWords(k *key) string {
	var words []string
	add := func(t types, word string) {
		if k.types&t != 0 {
			words = append(words, word)
		}
	}
	if len(k.enum) > 0 {
		words = append(words, k.enum...)
	} else {
		add(isText, "text")
	}
	if k.types&isNumber != 0 {
		words = append(words, "number"+span(k))
	} else {
		add(isInt, "integer"+span(k))
	}
	add(isBool, "boolean")
	if k.item != nil {
		words = append(words, "list of "+typeWords(k.item))
	}
	add(isObject, "object")
	return strings.Join(words, ", ")
}
