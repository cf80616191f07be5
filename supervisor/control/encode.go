package control

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/jsonwriter"
)

// JSONSize is about how many bytes these take in JSON, in one line.
func JSONSize(supervisors []Supervisor, instances []Instance) int {
	size := 384 * len(instances)
	for _, s := range supervisors {
		size += 256 + 16*len(s.Profiles)
	}
	return size
}

// Append appends what json.Marshal makes of the status, only faster: a machine may run
// hundreds of instances, and a command that looks at them is waited for.
func (s *Status) Append(text []byte) ([]byte, error) {
	w := jsonwriter.Compact(slices.Grow(text, JSONSize([]Supervisor{s.Supervisor}, s.Instances)))
	w.Open('{')
	w.Key("supervisor")
	s.Supervisor.WriteJSON(w)
	w.Key("started")
	w.Time(s.Started)
	w.Key("origin")
	w.String(s.Origin)
	w.Key("instances")
	jsonwriter.Array(w, s.Instances, func(i *Instance) { i.WriteJSON(w) })
	w.Close('}')
	done, err := w.Bytes()
	if err != nil {
		if _, better := json.Marshal(s); better != nil { // it names the place
			err = better
		}
	}
	return done, err
}

// WriteJSON writes what encoding/json makes of the supervisor.
func (s *Supervisor) WriteJSON(w *jsonwriter.Writer) {
	w.Open('{')
	w.Key("pid")
	w.Int(s.PID)
	w.Key("version")
	w.String(s.Version)
	w.Key("unit")
	w.String(s.Unit)
	w.Key("profiles")
	jsonwriter.Array(w, s.Profiles, func(name *string) { w.String(*name) })
	optional(w, "trees", s.Trees, w.String)
	optional(w, "generation", s.Generation, w.Int)
	optional(w, "reexecError", s.ReexecError, w.String)
	w.Close('}')
}

// WriteJSON writes what encoding/json makes of the instance.
func (i *Instance) WriteJSON(w *jsonwriter.Writer) {
	w.Open('{')
	w.Key("profile")
	w.String(i.Profile)
	w.Key("state")
	w.String(string(i.State))
	w.Key("reason")
	w.String(i.Reason)
	w.Key("pid")
	w.Int(i.PID)
	w.Key("port")
	w.Int(i.Port)
	w.Key("url")
	w.String(i.URL)
	w.Key("since")
	w.Time(i.Since)
	w.Key("restarts")
	w.Int(i.Restarts)
	w.Key("lastExit")
	writeExit(w, i.LastExit)
	w.Key("supervisor")
	w.Int(i.Supervisor)
	optional(w, "degraded", i.Degraded, w.String)
	optional(w, "lastGoodKept", i.Kept, w.Bool)
	optional(w, "instance", i.ID, w.String)
	if i.NextTry != nil {
		w.Key("nextTry")
		w.Time(*i.NextTry)
	}
	optional(w, "tries", i.Tries, w.Int)
	if len(i.Deaths) > 0 {
		w.Key("deaths")
		w.Open('{')
		for _, class := range slices.Sorted(maps.Keys(i.Deaths)) {
			w.Key(class)
			w.Int(i.Deaths[class])
		}
		w.Close('}')
	}
	w.Key("isolation")
	w.String(i.Isolation)
	optional(w, "group", i.Group, w.String)
	w.Close('}')
}

func writeExit(w *jsonwriter.Writer, e *instance.Exit) {
	if e == nil {
		w.Null()
		return
	}
	w.Open('{')
	w.Key("class")
	w.String(e.Class)
	w.Key("code")
	w.Int(e.Code)
	optional(w, "signal", e.Signal, w.String)
	w.Key("at")
	w.Time(e.At)
	optional(w, "fast", e.Fast, w.Bool)
	w.Close('}')
}

// optional writes what is left out where it is the zero value.
func optional[T comparable](w *jsonwriter.Writer, key string, value T, write func(T)) {
	var zero T
	if value != zero {
		w.Key(key)
		write(value)
	}
}
