package control

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/coderclaw/coderclaw/internal/jsonwriter"
)

// statuses makes statuses of every kind: a field that the writer or the parser does not know
// shows as a difference. Times have no monotonic clock, and half of them lie in UTC.
func statuses() *rapid.Generator[Status] {
	moment := rapid.Custom(func(t *rapid.T) any {
		at := time.Unix(rapid.Int64Range(-1<<31, 1<<33).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).UTC()
		if zone := rapid.IntRange(-720, 720).Draw(t, "zone"); zone < 0 {
			at = at.In(time.FixedZone("", zone*60))
		}
		return at
	})
	return rapid.MakeCustom[Status](rapid.MakeConfig{Types: map[reflect.Type]*rapid.Generator[any]{reflect.TypeFor[time.Time](): moment}})
}

func TestStatusIsWrittenAndReadAsByEncodingJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		st := statuses().Draw(t, "status")
		want, err := json.Marshal(st)
		if err != nil {
			t.Fatal(err)
		}
		got, err := st.Append(nil)
		if err != nil || string(got) != string(want) {
			t.Fatalf("got  %s, %v\nwant %s", got, err, want)
		}
		var back Status
		if err := json.Unmarshal(want, &back); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{string(want), string(want) + "\n"} {
			p, fast := parser{rest: text}, Status{}
			p.status(&fast)
			if whole := st.Supervisor.Profiles != nil && st.Instances != nil; whole == (p.failed || p.rest != "") {
				t.Fatalf("what this version writes is left to the general parser: %s", p.rest)
			} else if whole && !reflect.DeepEqual(utc(fast), utc(back)) {
				t.Fatalf("got  %+v\nwant %+v", fast, back)
			}
			if read, err := decodeStatus(text); err != nil || !reflect.DeepEqual(utc(read), utc(back)) {
				t.Fatalf("got  %+v, %v\nwant %+v", read, err, back)
			}
		}
	})
}

// utc is s with all times in UTC, so that they can be compared.
func utc(s Status) Status {
	s.Started = s.Started.UTC()
	for n := range s.Instances {
		i := &s.Instances[n]
		i.Since = i.Since.UTC()
		if i.LastExit != nil {
			i.LastExit.At = i.LastExit.At.UTC()
		}
		if i.NextTry != nil {
			*i.NextTry = i.NextTry.UTC()
		}
	}
	return s
}

func TestInstancesAreIndentedAsByEncodingJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		list := statuses().Draw(t, "status").Instances
		w := jsonwriter.Indented(nil)
		jsonwriter.Array(w, list, func(i *Instance) { i.WriteJSON(w) })
		got, err := w.Bytes()
		var want strings.Builder
		enc := json.NewEncoder(&want)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(list); err != nil {
			t.Fatal(err)
		}
		if err != nil || string(got)+"\n" != want.String() {
			t.Fatalf("got  %s, %v\nwant %s", got, err, want.String())
		}
	})
}

func TestStatusThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	st := Status{Instances: []Instance{{Since: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}}}
	_, want := json.Marshal(st)
	if _, err := st.Append(nil); err == nil || err.Error() != want.Error() {
		t.Errorf("got %v; want %v", err, want)
	}
}

func FuzzDecodeStatus(f *testing.F) {
	whole := Status{Supervisor: Supervisor{PID: 1, Profiles: []string{"default"}}, Instances: []Instance{{Profile: "default", Reason: "a < \"b\" \u2028é",
		Deaths: map[string]int{"crash": 1}, Tries: 2, Kept: true}}}
	text, err := whole.Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	for _, seed := range []string{"", "{}", "null", `{"supervisor":{"pid":1`, strings.Replace(string(text), `"pid":0`, `"pid":00`, 1),
		strings.Replace(string(text), `"tries":2`, `"tries":-0`, 1), strings.Replace(string(text), "false", "fals", 1), string(text) + "\n\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := decodeStatus(text)
		var want Status
		if wantErr := json.Unmarshal([]byte(text), &want); (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: got %v; want %v", text, err, wantErr)
		}
		if err == nil && !reflect.DeepEqual(utc(got), utc(want)) {
			t.Errorf("%q:\ngot  %+v\nwant %+v", text, got, want)
		}
	})
}
