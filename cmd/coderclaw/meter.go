package main

import (
	"errors"
	"io/fs"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// usageRow is one line of `top`.
type usageRow struct {
	Profile     string         `json:"profile"`
	State       instance.State `json:"state"`
	PID         int            `json:"pid"` // 0 when no child lives
	Port        int            `json:"port"`
	Restarts    int            `json:"restarts"`
	Connections int            `json:"connections"` // established, at its port
	Process     *processUse    `json:"process"`     // of the gateway itself; null when no child lives
	Tree        *treeUse       `json:"tree"`        // of the gateway and all that descends from it
}

// processUse is what one process uses. Percentages are of one core, and null before
// there are two samples.
type processUse struct {
	CPU      *float64 `json:"cpuPercent"`
	RSS      int64    `json:"rssBytes"`
	PSS      *int64   `json:"pssBytes"` // null where the system does not tell
	Threads  int      `json:"threads"`
	UptimeMs int64    `json:"uptimeMs"`
}

type treeUse struct {
	Processes int      `json:"processes"`
	CPU       *float64 `json:"cpuPercent"`
	RSS       int64    `json:"rssBytes"` // shared memory counted as often as it is shared
	PSS       *int64   `json:"pssBytes"`
	Threads   int      `json:"threads"`
}

// meter turns what processes have used since they began into what they use now. The
// zero value is ready; use it from one goroutine.
type meter struct {
	at   time.Time
	used map[int]time.Duration // CPU time by pid, at that time
}

// sample measures the instances; the CPU is that since the last sample. A process
// that was not there then descends from one that was, or has just been started, so
// that all it has used counts.
func (m *meter) sample(now time.Time, list []control.Instance) ([]usageRow, error) {
	var roots, ports []int
	for _, i := range list {
		if i.PID != 0 {
			roots, ports = append(roots, i.PID), append(ports, i.Port)
		}
	}
	trees, err := proctable.Trees(roots)
	if err != nil {
		return nil, err
	}
	conns, err := proctable.Established(ports)
	if err != nil {
		return nil, err
	}
	used := make(map[int]time.Duration, len(m.used))
	rows := make([]usageRow, 0, len(list))
	for _, i := range list {
		row := usageRow{Profile: i.Profile, State: i.State, PID: i.PID, Port: i.Port, Restarts: i.Restarts, Connections: conns[i.Port]}
		for _, pid := range trees[i.PID] {
			if i.PID == 0 {
				break
			}
			if err := m.add(&row, pid, now, used); err != nil {
				return nil, err
			}
		}
		if row.Process == nil { // it died a moment ago
			row.Tree = nil
		}
		rows = append(rows, row)
	}
	m.at, m.used = now, used
	return rows, nil
}

// add counts one process of the tree of the row.
func (m *meter) add(row *usageRow, pid int, now time.Time, used map[int]time.Duration) error {
	cpu, rss, threads, err := proctable.Usage(pid)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	used[pid] = cpu
	one := processUse{RSS: rss, Threads: threads}
	if pss, err := proctable.PSS(pid); err == nil { // else it may not be seen
		one.PSS = &pss
	}
	if passed := now.Sub(m.at); !m.at.IsZero() && passed > 0 {
		before := m.used[pid]
		if before > cpu { // the pid is another process's now
			before = 0
		}
		share := 100 * float64(cpu-before) / float64(passed)
		one.CPU = &share
	}
	if pid == row.PID {
		if age, err := proctable.Age(pid); err == nil {
			one.UptimeMs = age.Milliseconds()
		}
		row.Process = &one
	}
	if row.Tree == nil {
		row.Tree = &treeUse{}
	}
	t := row.Tree
	t.Processes++
	t.Threads += threads
	t.RSS += rss
	t.CPU = plus(t.CPU, one.CPU)
	t.PSS = plus(t.PSS, one.PSS)
	return nil
}

// plus adds what is known.
func plus[N int64 | float64](sum, v *N) *N {
	if sum == nil || v == nil {
		if sum == nil {
			return v
		}
		return sum
	}
	total := *sum + *v
	return &total
}
