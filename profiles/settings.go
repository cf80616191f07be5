package profiles

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// places are the keys of an entry that say where a profile lies; every other key
// is a setting, which another profile can have as well.
var places = [...]string{"port", "state_dir", "config", "workspace"}

// Settings returns what the registry says of the profile, its places left out, as
// the keys and values of the file. It is empty for a profile that keeps to the
// rules and for one that is not there.
func (r *Registry) Settings(name string) (map[string]any, error) {
	out := map[string]any{}
	text, err := toml.Marshal(r.entries[name])
	if err != nil {
		return nil, fmt.Errorf("registry: profile %s: %w", name, err)
	}
	if err := toml.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("registry: profile %s: %w", name, err)
	}
	for _, key := range places {
		delete(out, key)
	}
	return out, nil
}

// settingsEntry is the entry with these settings. Numbers may be json.Number.
// What the values mean is checked with the registry that they become part of.
func settingsEntry(settings map[string]any) (entry, error) {
	var e entry
	if len(settings) == 0 {
		return e, nil
	}
	fail := func(err error) (entry, error) {
		return entry{}, exitcode.With(exitcode.Usage, fmt.Errorf("settings of the profile: %w", err))
	}
	for _, key := range places {
		if _, ok := settings[key]; ok {
			return fail(fmt.Errorf("%s is the place of another profile", key))
		}
	}
	plain, err := withoutJSONNumbers(settings)
	if err != nil {
		return fail(err)
	}
	text, err := toml.Marshal(plain)
	if err != nil {
		return fail(err)
	}
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&e); err != nil {
		return fail(fmt.Errorf("this version does not know or accept them all: %s", strings.TrimPrefix(err.Error(), "toml: ")))
	}
	return e, nil
}

// withoutJSONNumbers is a copy of v with each json.Number as int64 or float64.
func withoutJSONNumbers(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, sub := range v {
			var err error
			if out[key], err = withoutJSONNumbers(sub); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, sub := range v {
			var err error
			if out[i], err = withoutJSONNumbers(sub); err != nil {
				return nil, err
			}
		}
		return out, nil
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		return v.Float64()
	case nil:
		return nil, fmt.Errorf("null is no value of a setting")
	}
	return v, nil
}
