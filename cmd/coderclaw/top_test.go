package main

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

func TestTopTable(t *testing.T) {
	t.Parallel()
	cpu, all, pss := 12.34, 250.0, int64(20<<20)
	got := topTable([]usageRow{
		{Profile: "default", State: instance.Ready, PID: 4711, Restarts: 2, Connections: 3,
			Process: &processUse{CPU: &cpu, RSS: 30 << 20, PSS: &pss, UptimeMs: 3_700_000},
			Tree:    &treeUse{Processes: 4, CPU: &all, RSS: 1 << 30}},
		{Profile: "a-longer-name", State: instance.Starting, PID: 1, Process: &processUse{RSS: 1 << 20}, Tree: &treeUse{Processes: 1, RSS: 1 << 20}},
		{Profile: "dev", State: instance.BackingOff, Restarts: 9},
	})
	want := `  PROFILE               STATE   PID    CPU       RSS       PSS  PROCS  ALL-CPU  ALL-RSS  CONNS  RESTARTS  UPTIME
  default               ready  4711  12.3%  30.0 MiB  20.0 MiB      4   250.0%  1.0 GiB      3         2      1h
  a-longer-name      starting     1      -   1.0 MiB         -      1        -  1.0 MiB      0         0      0s
  dev             backing-off     -      -         -         -      -        -        -      -         9       -
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMeter measures this process, which works meanwhile, and one that is gone.
func TestMeter(t *testing.T) {
	t.Parallel()
	list := []control.Instance{{Profile: "a", State: instance.Ready, PID: os.Getpid(), Port: 1}, {Profile: "b"}, {Profile: "c", PID: 1 << 30}}
	var m meter
	start := time.Now()
	rows, err := m.sample(start, list)
	if err != nil {
		t.Fatal(err)
	}
	if p := rows[0].Process; p == nil || p.CPU != nil || p.RSS == 0 || p.Threads == 0 || rows[0].Tree.Processes == 0 || rows[0].Tree.CPU != nil {
		t.Errorf("first: %+v, %+v", rows[0], p)
	}
	m.used[os.Getpid()] -= time.Second // as if it had worked so much since
	if rows, err = m.sample(start.Add(2*time.Second), list); err != nil {
		t.Fatal(err)
	}
	if p := rows[0].Process; p == nil || p.CPU == nil || *p.CPU < 50 || *rows[0].Tree.CPU < *p.CPU {
		t.Errorf("second: %+v, %+v", p, rows[0].Tree)
	}
	for _, r := range rows[1:] {
		if r.Process != nil || r.Tree != nil {
			t.Errorf("of nobody: %+v", r)
		}
	}
	m.used[os.Getpid()] += time.Hour // its pid was another's
	if rows, err = m.sample(start.Add(4*time.Second), list[:1]); err != nil || *rows[0].Process.CPU < 0 {
		t.Errorf("third: %+v, %v", rows, err)
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	c := newChanges()
	step := func(list ...control.Instance) []string {
		got := []string{}
		for _, i := range c.next(list) {
			got = append(got, i.Profile+" "+string(i.State))
		}
		return got
	}
	a, b := control.Instance{Profile: "a", State: instance.Ready, PID: 1}, control.Instance{Profile: "b", State: instance.Starting}
	older := a
	older.Since = older.Since.Add(time.Hour) // not worth a line
	for i, s := range []struct{ got, want []string }{
		{step(a, b), []string{"a ready", "b starting"}},
		{step(older, b), []string{}},
		{step(control.Instance{Profile: "a", State: instance.Ready, PID: 2}, b), []string{"a ready"}},
		{step(b), []string{"a stopped"}},
		{step(b), []string{}},
	} {
		if diff := cmp.Diff(s.want, s.got); diff != "" {
			t.Errorf("step %d (-want +got):\n%s", i, diff)
		}
	}
}
