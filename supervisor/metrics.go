package supervisor

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/exposition"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// Metric is one family of metrics that a supervisor shows.
type Metric struct {
	exposition.Family
	Labels []string // sorted; the values of each are few and do not grow with time

	write func(*exposition.Writer, scrape) // its samples, in the order of the profiles
}

// scrape is everything that metrics show, taken at one moment.
type scrape struct {
	version string
	started time.Time
	memory  int64 // of the supervisor, -1 when it cannot be told
	rows    []metricsRow
}

// metricsRow is one unit of a scrape.
type metricsRow struct {
	profile  exposition.Label
	snap     instance.Snapshot
	tally    *tally
	restarts map[string]int
	uptime   time.Duration
	memory   int64 // -1 when it cannot be told
}

// scrape looks at the units now.
func (s *Supervisor) scrape(units []*unit) scrape {
	now := scrape{version: s.o.Version, started: s.started, memory: -1}
	if _, rss, _, err := proctable.Usage(os.Getpid()); err == nil {
		now.memory = rss
	}
	used := memories(units)
	for _, u := range units {
		row := metricsRow{profile: exposition.Label{Name: "profile", Value: u.profile.Name}, snap: u.instance.Snapshot(), tally: u.tally, memory: -1}
		row.restarts, row.uptime = u.tally.counted()
		if n, ok := used[u]; ok {
			row.memory = n
		}
		now.rows = append(now.rows, row)
	}
	return now
}

// perProfile makes the samples of a metric from one row each.
func perProfile(write func(*exposition.Writer, metricsRow)) func(*exposition.Writer, scrape) {
	return func(w *exposition.Writer, s scrape) {
		for _, row := range s.rows {
			write(w, row)
		}
	}
}

// perProfileValue is perProfile for one sample each.
func perProfileValue(value func(metricsRow) float64) func(*exposition.Writer, scrape) {
	return perProfile(func(w *exposition.Writer, row metricsRow) { w.Sample(value(row), row.profile) })
}

// Metrics lists every metric, in the order in which they are shown. The texts are
// those of the exposition and of the documentation.
func Metrics() []Metric {
	profile := []string{"profile"}
	return []Metric{
		{
			exposition.Family{Name: "coderclaw_build_info", Kind: exposition.KindGauge, Help: "Always 1; the labels say what the supervisor was built from."},
			[]string{"goversion", "version"},
			func(w *exposition.Writer, s scrape) {
				w.Sample(1, exposition.Label{Name: "goversion", Value: runtime.Version()}, exposition.Label{Name: "version", Value: s.version})
			},
		},
		{
			exposition.Family{Name: "coderclaw_supervisor_start_time_seconds", Kind: exposition.KindGauge, Help: "When the supervisor was started, in seconds since 1970."},
			nil,
			func(w *exposition.Writer, s scrape) { w.Sample(float64(s.started.UnixMilli()) / 1000) },
		},
		{
			exposition.Family{Name: "coderclaw_supervisor_memory_bytes", Kind: exposition.KindGauge, Help: "Resident memory of the supervisor itself."},
			nil,
			func(w *exposition.Writer, s scrape) {
				if s.memory >= 0 {
					w.Sample(float64(s.memory))
				}
			},
		},
		{
			exposition.Family{Name: "coderclaw_instance_state", Kind: exposition.KindGauge, Help: "1 for the state that the gateway is in, 0 for every other."},
			[]string{"profile", "state"},
			perProfile(func(w *exposition.Writer, row metricsRow) {
				for _, state := range instance.States() {
					w.Sample(oneIf(row.snap.State == state), row.profile, exposition.Label{Name: "state", Value: string(state)})
				}
			}),
		},
		{
			exposition.Family{Name: "coderclaw_instance_degraded", Kind: exposition.KindGauge, Help: "1 while the gateway runs on its last good config because the one as written is invalid."},
			profile,
			perProfileValue(func(row metricsRow) float64 { return oneIf(row.snap.Degraded != "") }),
		},
		{
			exposition.Family{Name: "coderclaw_instance_quarantined", Kind: exposition.KindGauge, Help: "1 while the gateway is given up until its config or program changes or it is started."},
			profile,
			perProfileValue(func(row metricsRow) float64 { return oneIf(row.snap.State == instance.Quarantined) }),
		},
		{
			exposition.Family{Name: "coderclaw_instance_restarts_total", Kind: exposition.KindCounter, Help: "Ends of the gateway after which it was still wanted, by the class of the exit; one that was asked for counts as clean."},
			[]string{"class", "profile"},
			perProfile(func(w *exposition.Writer, row metricsRow) {
				for _, class := range exitClasses() {
					w.Sample(float64(row.restarts[class]), row.profile, exposition.Label{Name: "class", Value: class})
				}
			}),
		},
		{
			exposition.Family{Name: "coderclaw_instance_uptime_seconds", Kind: exposition.KindGauge, Help: "How long the gateway process has run; 0 without one."},
			profile,
			perProfileValue(func(row metricsRow) float64 { return row.uptime.Seconds() }),
		},
		{
			exposition.Family{Name: "coderclaw_instance_memory_bytes", Kind: exposition.KindGauge, Help: "Memory of the gateway and all that it has started: of its control group where it has one, else the resident memory of the processes; 0 without one."},
			profile,
			perProfile(func(w *exposition.Writer, row metricsRow) {
				if row.memory >= 0 {
					w.Sample(float64(row.memory), row.profile)
				}
			}),
		},
		{
			exposition.Family{Name: "coderclaw_instance_start_seconds", Kind: exposition.KindHistogram, Help: "From the start of a gateway process to its being ready; a start that failed is not counted."},
			profile,
			perProfile(func(w *exposition.Writer, row metricsRow) { w.Histogram(row.tally.starts, row.profile) }),
		},
		{
			exposition.Family{Name: "coderclaw_instance_probe_seconds", Kind: exposition.KindHistogram, Help: "How long liveness probes took that were answered."},
			profile,
			perProfile(func(w *exposition.Writer, row metricsRow) { w.Histogram(row.tally.probes, row.profile) }),
		},
		{
			exposition.Family{Name: "coderclaw_instance_probes_missed_total", Kind: exposition.KindCounter, Help: "Liveness probes that were not answered, or not in time."},
			profile,
			perProfileValue(func(row metricsRow) float64 { return float64(row.tally.missed.Load()) }),
		},
		{
			exposition.Family{Name: "coderclaw_instance_log_bytes_total", Kind: exposition.KindCounter, Help: "Bytes of the gateway's output that went into its log."},
			profile,
			perProfileValue(func(row metricsRow) float64 { return float64(row.tally.logBytes.Load()) }),
		},
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// metrics answers with the exposition; ?profile=NAME leaves out the other profiles.
func (s *Supervisor) metrics(w http.ResponseWriter, r *http.Request) {
	units := s.set.list()
	if name := r.URL.Query().Get("profile"); name != "" {
		at := slices.IndexFunc(units, func(u *unit) bool { return u.profile.Name == name })
		if at < 0 {
			refuse(w, http.StatusNotFound, exitcode.Usage,
				fmt.Errorf("this supervisor does not run profile %q; it runs %s", name, strings.Join(s.set.names(), ", ")))
			return
		}
		units = units[at : at+1]
	}
	w.Header().Set("Content-Type", exposition.ContentType)
	if r.Method == http.MethodHead {
		return
	}
	now := s.scrape(units)
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerTime)) // our own servers can
	out := exposition.NewWriter(w)
	for _, m := range Metrics() {
		out.Begin(m.Family)
		m.write(out, now)
	}
	_ = out.Flush() // the client may be gone
}
