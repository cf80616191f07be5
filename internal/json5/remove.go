package json5

import "bytes"

// Remove returns src without the member at path, which names object keys from
// the root down; src itself when there is none. Comments stay, and so does the
// style of the file: the last member that is left has a comma after it only if
// the last one had before. It fails on src that does not parse.
func Remove(src []byte, path []string) ([]byte, error) {
	root, err := Parse(src)
	if err != nil {
		return nil, err
	}
	if len(path) == 0 {
		return src, nil
	}
	obj := root
	for _, key := range path[:len(path)-1] {
		obj = obj.Get(key)
	}
	if obj.Get(path[len(path)-1]) == nil {
		return src, nil
	}
	i := 0
	for obj.Members[i].Key != path[len(path)-1] {
		i++
	}
	m, limit := obj.Members[i], obj.End-1
	if i+1 < len(obj.Members) {
		limit = obj.Members[i+1].KeyStart
	}
	from, to := m.KeyStart, m.Value.End
	comma, _ := tail(src, to, limit)
	switch {
	case comma >= 0 && len(bytes.TrimSpace(src[to:comma])) == 0:
		return cut(src, from, comma+1), nil
	case comma >= 0: // a comment stands between the value and its comma
		return cut(splice(src, comma, comma+1, ""), from, to), nil
	case i > 0:
		before, _ := tail(src, obj.Members[i-1].Value.End, from)
		return splice(cut(src, from, to), before, before+1, ""), nil
	}
	return cut(src, from, to), nil
}

// cut removes src[from:to] and the blanks that would be left over: the whole
// line when nothing else stands on it, else those on one side.
func cut(src []byte, from, to int) []byte {
	lineStart, own := from, false
	if indent, alone := indentAt(src, from); alone {
		lineStart, own = from-len(indent), true
	}
	end := to
	for end < len(src) && (src[end] == ' ' || src[end] == '\t') {
		end++
	}
	switch {
	case own && bytes.HasPrefix(src[end:], []byte("\r\n")):
		return splice(src, lineStart, end+2, "")
	case own && end < len(src) && src[end] == '\n':
		return splice(src, lineStart, end+1, "")
	case end < len(src) && src[end] == '}': // the blank before the brace stays
		for from > 0 && (src[from-1] == ' ' || src[from-1] == '\t') && !own {
			from--
		}
		return splice(src, from, to, "")
	}
	return splice(src, from, end, "")
}
