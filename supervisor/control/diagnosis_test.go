//go:build unix

package control_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

func TestDiagnose(t *testing.T) {
	t.Parallel()
	since := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	soon, late := since.Add(time.Second), since.Add(20*time.Second)
	for name, tc := range map[string]struct {
		i    control.Instance
		want bool
	}{
		"ready":                {control.Instance{State: instance.Ready}, false},
		"stopped":              {control.Instance{State: instance.Stopped}, false},
		"draining":             {control.Instance{State: instance.Draining}, false},
		"first start":          {control.Instance{State: instance.Starting}, false},
		"one of many starts":   {control.Instance{State: instance.Starting, Tries: 3}, true},
		"unhealthy":            {control.Instance{State: instance.Unhealthy}, true},
		"blocked":              {control.Instance{State: instance.Blocked}, true},
		"quarantined":          {control.Instance{State: instance.Quarantined}, true},
		"mute":                 {control.Instance{State: control.Unknown}, true},
		"backs off shortly":    {control.Instance{State: instance.BackingOff, Tries: 2, NextTry: &soon}, false},
		"backs off for long":   {control.Instance{State: instance.BackingOff, NextTry: &late}, true},
		"backs off repeatedly": {control.Instance{State: instance.BackingOff, Tries: 3, NextTry: &soon}, true},
	} {
		tc.i.Profile, tc.i.Reason, tc.i.Since, tc.i.Supervisor, tc.i.LastExit = "default", "why", since, 7, &instance.Exit{Code: 3}
		d, got := control.Diagnose(tc.i, "u.service")
		want := control.Diagnosis{Profile: "default", State: tc.i.State, Reason: "why", Since: since, LastExit: tc.i.LastExit, Supervisor: 7, Unit: "u.service"}
		if got != tc.want || d != want {
			t.Errorf("%s: got %v, %+v", name, got, d)
		}
	}
}

func TestDiagnosisOfAClient(t *testing.T) {
	t.Parallel()
	body := `{"wrong":[{"profile":"default","state":"blocked","reason":"r","lastExit":null,"supervisor":7,"unit":""}],"unseen":"why"}`
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != "/v1/diagnosis" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		io.WriteString(w, body)
	})
	got, err := c.Diagnosis(t.Context())
	if err != nil || got.Unseen != "why" || len(got.Wrong) != 1 || got.Wrong[0] != (control.Diagnosis{Profile: "default", State: instance.Blocked, Reason: "r", Supervisor: 7}) {
		t.Errorf("got %+v, %v", got, err)
	}
	body = "["
	if _, err := c.Diagnosis(t.Context()); err == nil {
		t.Error("half an answer is taken for one")
	}
}

func TestDoctorOfAClient(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status     int
		body       string
		exit       int
		lines, err string
		code       exitcode.Code
	}{
		"whole":     {http.StatusOK, `{"stream":"stderr","line":"a"}` + "\n" + `{"stream":"stdout"}` + "\n" + `{"exit":1}`, 1, "stderr a|stdout |", "", exitcode.OK},
		"nothing":   {http.StatusOK, `{"exit":0}`, 0, "", "", exitcode.OK},
		"cut short": {http.StatusOK, `{"stream":"stdout","line":"a"}` + "\n", -1, "stdout a|", "before doctor had ended", exitcode.Failed},
		"garbage":   {http.StatusOK, "x", -1, "", "the supervisor's answer", exitcode.Failed},
		"refused":   {http.StatusForbidden, `{"error":"no","code":1}`, -1, "", "no", exitcode.Failed},
		"busy":      {http.StatusConflict, `{"error":"doctor runs already","code":75}`, -1, "", "doctor runs already", exitcode.Busy},
	} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost || r.URL.EscapedPath() != "/v1/doctor/de%2Fv" || r.URL.RawQuery != "repair=1" {
				t.Errorf("%s %s", r.Method, r.URL)
			}
			w.WriteHeader(tc.status)
			io.WriteString(w, tc.body)
		})
		lines := ""
		exit, err := c.Doctor(t.Context(), "de/v", true, func(stream, text string) { lines += stream + " " + text + "|" })
		got := ""
		if err != nil {
			got = err.Error()
		}
		if exit != tc.exit || lines != tc.lines || (got == "") != (tc.err == "") || !strings.Contains(got, tc.err) || exitcode.Of(err) != tc.code {
			t.Errorf("%s: got %d, %q, %d %q", name, exit, lines, exitcode.Of(err), got)
		}
	}
}
