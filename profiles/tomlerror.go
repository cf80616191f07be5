package profiles

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// keysOf lists the keys of a table that is decoded into v, a struct.
func keysOf(v any) []string {
	var keys []string
	for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
		if f.Anonymous {
			continue
		}
		key, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
		keys = append(keys, key)
	}
	return keys
}

// tomlError gives a decoder's error the place in the file.
func tomlError(path string, err error) error {
	if e, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(e.Errors) > 0 {
		line, col := e.Errors[0].Position()
		return fmt.Errorf("registry %s:%d:%d: unknown key %q; known are [profiles.NAME] with %s, and [supervisor] with %s",
			path, line, col, strings.Join(e.Errors[0].Key(), "."), strings.Join(keysOf(entry{}), ", "), strings.Join(keysOf(settings{}), ", "))
	}
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, col := e.Position()
		return fmt.Errorf("registry %s:%d:%d: %s", path, line, col, kindError(e))
	}
	return fmt.Errorf("registry %s: %w", path, err)
}

// kindError says in the words of the file that a value is of the wrong kind: the decoder names Go fields.
func kindError(e *toml.DecodeError) string {
	text := strings.TrimPrefix(e.Error(), "toml: ")
	kind, into, ok := strings.Cut(text, " into ")
	kind, wrong := strings.CutPrefix(kind, "cannot decode TOML ")
	if !ok || !wrong {
		return text
	}
	want := "a table"
	switch goType := into[strings.LastIndexAny(into, " *")+1:]; {
	case goType == "int":
		want = "a whole number"
	case goType == "string":
		want = "a text in quotes"
	case goType == "bool":
		want = "true or false"
	case strings.HasPrefix(goType, "[]"):
		want = "a list of texts, as [\"a\", \"b\"]"
	}
	return fmt.Sprintf("%s: want %s, not this %s", strings.Join(e.Key(), "."), want, kind)
}
