package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway"
	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// fakeSupervisor stands in for the supervisor of a rescue gateway.
type fakeSupervisor struct {
	mu    sync.Mutex // guards what follows
	wrong []protocol.Sibling
	err   error

	asked  chan struct{} // nil, or told each time
	doctor func(profile string, repair bool, line func(stream, text string)) (int, error)
}

func (f *fakeSupervisor) set(err error, wrong ...protocol.Sibling) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrong, f.err = wrong, err
}

func (f *fakeSupervisor) Siblings(context.Context) (protocol.Siblings, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked != nil {
		f.asked <- struct{}{}
	}
	return protocol.Siblings{Siblings: f.wrong}, f.err
}

func (f *fakeSupervisor) Doctor(_ context.Context, profile string, repair bool, line func(stream, text string)) (int, error) {
	return f.doctor(profile, repair, line)
}

func rescuing(t *testing.T, f *fakeSupervisor) *running {
	t.Helper()
	return startWith(t, func(o *gateway.Options) { o.Profile, o.Rescue = "rescue", f })
}

func broken() protocol.Sibling {
	return protocol.Sibling{Profile: "default", State: "quarantined", Reason: "it died 8 times", Since: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC), Supervisor: 7,
		LastExit: &protocol.SiblingExit{Class: "crash", Code: 3}}
}

func TestSiblingsInHealthAndStatus(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		wrong []protocol.Sibling
		err   error
		want  string // of both, "" when nothing is wrong
	}{
		"all well":  {},
		"one is":    {wrong: []protocol.Sibling{broken()}, want: `"siblings":[{"profile":"default","state":"quarantined","reason":"it died 8 times","since":"2030-01-02T03:04:05Z","lastExit":{"class":"crash","code":3,"at":"0001-01-01T00:00:00Z"},"supervisor":7,"unit":""}]`},
		"no answer": {err: errors.New("the supervisor does not answer"), want: `"siblingsUnseen":"the supervisor does not answer"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fakeSupervisor{wrong: tc.wrong, err: tc.err}
			r := rescuing(t, f)
			c, err := r.dial(t, client.Options{Token: secret, Identity: identity(t)})
			if err != nil {
				t.Fatal(err)
			}
			for method, prefix := range map[string]string{"health": `"build":"1.2.3",`, "status": `"coderclaw":{`} {
				var raw json.RawMessage
				if err := c.Call(t.Context(), method, nil, &raw); err != nil {
					t.Fatal(err)
				}
				if got := string(raw); tc.want == "" && strings.Contains(got, "sibling") || tc.want != "" && (!strings.Contains(got, tc.want) || !strings.Contains(got, prefix)) {
					t.Errorf("%s: got %s", method, got)
				}
			}
		})
	}
}

func TestHealthIsSentWhenAnotherIsInTrouble(t *testing.T) {
	t.Parallel()
	f := &fakeSupervisor{asked: make(chan struct{}, 64)}
	f.doctor = func(string, bool, func(string, string)) (int, error) { return 0, nil }
	r := rescuing(t, f)
	heard := make(chan string, 64)
	c, err := r.dial(t, client.Options{Token: secret, Identity: identity(t), OnEvent: func(e protocol.Event) {
		if e.Event == "health" || e.Event == "tick" {
			heard <- e.Event + " " + string(e.Payload)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if first := <-heard; !strings.HasPrefix(first, "health ") || strings.Contains(first, "siblings") {
		t.Errorf("the greeting: %s", first)
	}
	<-f.asked // because somebody came
	beat := r.gateway.Beats()
	next := func(want ...string) {
		t.Helper()
		beat(t.Context())
		for _, w := range want {
			if got := <-heard; !strings.HasPrefix(got, w+" ") || w == "health" && !strings.Contains(got, `"siblingsUnseen":"mute"`) {
				t.Errorf("got %s; want %s", got, w)
			}
		}
	}
	f.set(errors.New("mute"))
	if err := c.Call(t.Context(), protocol.MethodDoctor, protocol.DoctorParams{Profile: "x"}, nil); err != nil { // after it all may be different
		t.Fatal(err)
	}
	next("tick", "health") // out of turn
	next("tick", "health")
	next("tick")
	next("tick", "health")
	if err := c.Call(t.Context(), "system-presence", nil, nil); err != nil { // what was sent before has come by now
		t.Fatal(err)
	}
	if len(heard) != 0 {
		t.Errorf("also heard %s", <-heard)
	}
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	f := &fakeSupervisor{}
	f.doctor = func(profile string, repair bool, line func(stream, text string)) (int, error) {
		switch profile {
		case "nobody":
			line("stderr", "no such profile")
			return 2, nil
		case "busy":
			return -1, errors.New("doctor runs already")
		}
		if profile != "default" || !repair {
			t.Errorf("asked for %q, %v", profile, repair)
		}
		line("stderr", "Plan")
		line("stdout", "{")
		line("stdout", `  "ok": true`)
		line("stdout", "}")
		return 1, nil
	}
	r := rescuing(t, f)
	var bystander, events []protocol.Event
	listen := func(into *[]protocol.Event) func(protocol.Event) {
		return func(e protocol.Event) {
			if e.Event == protocol.EventDoctor {
				*into = append(*into, e)
			}
		}
	}
	other, err := r.dial(t, client.Options{Token: secret, Identity: identity(t), OnEvent: listen(&bystander)})
	if err != nil {
		t.Fatal(err)
	}
	c, err := r.dial(t, client.Options{Token: secret, Identity: identity(t), OnEvent: listen(&events)})
	if err != nil {
		t.Fatal(err)
	}
	if h := c.Hello().Features; !slices.Contains(h.Methods, protocol.MethodDoctor) || !slices.Contains(h.Events, protocol.EventDoctor) {
		t.Errorf("announced %+v", h)
	}
	var res protocol.DoctorResult
	if err := c.Call(t.Context(), protocol.MethodDoctor, protocol.DoctorParams{Profile: "default", Repair: true}, &res); err != nil {
		t.Fatal(err)
	}
	if res.RunID == "" || res.ExitCode != 1 || string(res.Report) != "{\n  \"ok\": true\n}" && string(res.Report) != `{"ok":true}` {
		t.Errorf("got %+v, %s", res, res.Report)
	}
	got := ""
	for _, e := range events {
		var line protocol.DoctorEvent
		if err := json.Unmarshal(e.Payload, &line); err != nil || line.RunID != res.RunID {
			t.Errorf("got %s, %v", e.Payload, err)
		}
		got += line.Stream + " " + line.Line + "|"
	}
	if want := `stderr Plan|stdout {|stdout   "ok": true|stdout }|`; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	res = protocol.DoctorResult{}
	if err := c.Call(t.Context(), protocol.MethodDoctor, protocol.DoctorParams{Profile: "nobody"}, &res); err != nil || res.ExitCode != 2 || string(res.Report) != "null" {
		t.Errorf("got %+v, %s, %v", res, res.Report, err)
	}
	for params, want := range map[string]string{
		`{"profile":"busy"}`:           "Error: doctor runs already",
		`{}`:                           "invalid coderclaw.doctor params: must have required property 'profile'",
		`{"profile":"x","force":true}`: "invalid coderclaw.doctor params: at root: unexpected property 'force'",
	} {
		if err := c.Call(t.Context(), protocol.MethodDoctor, json.RawMessage(params), nil); text(err) != want {
			t.Errorf("%s: got %v; want %s", params, err, want)
		}
	}
	if err := errors.Join(other.Close(), c.Close()); err != nil {
		t.Fatal(err)
	}
	if len(bystander) != 0 {
		t.Errorf("a bystander heard %+v", bystander)
	}
}

func TestWhoMayAskForDoctor(t *testing.T) {
	t.Parallel()
	rescue, other := rescuing(t, &fakeSupervisor{}), start(t)
	for _, tc := range []struct {
		r      *running
		scopes []string
		want   string
	}{
		{rescue, []string{"operator.read"}, "missing scope: operator.admin"},
		{rescue, []string{"operator.write", "operator.pairing", "operator.approvals"}, "missing scope: operator.admin"},
		{other, []string{"operator.admin"}, "unknown method: coderclaw.doctor"},
		{other, []string{"operator.read"}, "missing scope: operator.admin"},
	} {
		c, err := tc.r.dial(t, client.Options{Token: secret, Identity: identity(t), Scopes: tc.scopes})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Call(t.Context(), protocol.MethodDoctor, protocol.DoctorParams{Profile: "default"}, nil); text(err) != tc.want {
			t.Errorf("%v: got %v; want %s", tc.scopes, err, tc.want)
		}
	}
}
