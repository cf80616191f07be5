package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

func TestPsReportIsWrittenAsAllJSONIs(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]psReport{
		"nothing": {},
		"empty":   {Supervisors: []control.Supervisor{}, Instances: []control.Instance{}},
		"two": {Supervisors: []control.Supervisor{{PID: 1, Version: "<1>", Profiles: []string{}}, {PID: 2, Profiles: []string{"default", "dev"}}},
			Instances: []control.Instance{{Profile: "default", State: instance.Ready, Reason: "a & \"b\""},
				{Profile: "dev", LastExit: &instance.Exit{Class: "crash", At: time.Unix(1, 2)}, Deaths: map[string]int{"crash": 1, "oom": 2}}}},
	} {
		var want bytes.Buffer
		if err := (&app{stdout: &want}).printJSON(r); err != nil {
			t.Fatal(err)
		}
		if got, err := r.encode(); err != nil || string(got) != want.String() {
			t.Errorf("%s: got\n%s, %v\nwant\n%s", name, got, err, want.String())
		}
	}
}
