//go:build unix

package supervisor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/coderclaw/coderclaw/internal/exposition"
	"github.com/coderclaw/coderclaw/profiles"
)

// parsed reads an exposition as Prometheus does.
func parsed(t *testing.T, text []byte) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return families
}

// metrics scrapes the control socket.
func (r *rig) metrics(profile string) map[string]*dto.MetricFamily {
	r.t.Helper()
	var b bytes.Buffer
	waitFor(r.t, "an answer in the time of a client", func() bool {
		b.Reset()
		err := r.client.Metrics(r.t.Context(), profile, &b)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			r.t.Fatal(err)
		}
		return err == nil
	})
	return parsed(r.t, b.Bytes())
}

// series is the sample with these labels, "name=value" and sorted.
func series(t *testing.T, families map[string]*dto.MetricFamily, name string, labels ...string) *dto.Metric {
	t.Helper()
	for _, m := range families[name].GetMetric() {
		var have []string
		for _, l := range m.GetLabel() {
			have = append(have, l.GetName()+"="+l.GetValue())
		}
		slices.Sort(have)
		if slices.Equal(have, labels) {
			return m
		}
	}
	t.Errorf("there is no %s%v", name, labels)
	return &dto.Metric{}
}

// value is that of a gauge or counter.
func value(m *dto.Metric) float64 { return m.GetGauge().GetValue() + m.GetCounter().GetValue() }

func TestMetrics(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "default", "dev")
	ps[1].Limits = profiles.Limits{ProbeEvery: 10 * time.Millisecond}
	r := supervise(t, ps, func(o *Options) {
		check := o.Check
		o.Check = func(ctx context.Context, p profiles.Profile) (Checked, error) {
			c, err := check(ctx, p)
			c.Live = func(context.Context) error { return nil }
			return c, err
		}
	})
	r.allReady()
	if err := r.client.Restart(t.Context(), "dev"); err != nil {
		t.Fatal(err)
	}
	before := r.allReady()
	var got map[string]*dto.MetricFamily
	waitFor(t, "an answered probe and the child's line", func() bool {
		got = r.metrics("")
		return series(t, got, "coderclaw_instance_probe_seconds", "profile=dev").GetHistogram().GetSampleCount() > 0 &&
			value(series(t, got, "coderclaw_instance_log_bytes_total", "profile=dev")) == float64(2*len("hello from dev\n"))
	})
	for name, want := range map[string]float64{
		"coderclaw_instance_state profile=dev state=ready":              1,
		"coderclaw_instance_state profile=dev state=stopped":            0,
		"coderclaw_instance_state profile=default state=ready":          1,
		"coderclaw_instance_restarts_total class=clean profile=dev":     1,
		"coderclaw_instance_restarts_total class=killed profile=dev":    0,
		"coderclaw_instance_restarts_total class=clean profile=default": 0,
		"coderclaw_instance_degraded profile=dev":                       0,
		"coderclaw_instance_quarantined profile=dev":                    0,
		"coderclaw_instance_probes_missed_total profile=dev":            0,
	} {
		f := strings.Fields(name)
		if got := value(series(t, got, f[0], f[1:]...)); got != want {
			t.Errorf("%s: %v; want %v", name, got, want)
		}
	}
	if n := series(t, got, "coderclaw_instance_start_seconds", "profile=dev").GetHistogram().GetSampleCount(); n != 2 {
		t.Errorf("%d starts of dev", n)
	}
	for _, name := range []string{"coderclaw_instance_uptime_seconds profile=dev", "coderclaw_instance_memory_bytes profile=dev", "coderclaw_supervisor_memory_bytes"} {
		f := strings.Fields(name)
		if n := value(series(t, got, f[0], f[1:]...)); n <= 0 {
			t.Errorf("%s: %v", name, n)
		}
	}
	if at := value(series(t, got, "coderclaw_supervisor_start_time_seconds")); time.Unix(int64(at), 0).After(time.Now()) || at == 0 {
		t.Errorf("started at %v", at)
	}
	if info := got["coderclaw_build_info"].GetMetric()[0]; value(info) != 1 || info.GetLabel()[1].GetValue() != "1" {
		t.Errorf("build info: %v", info)
	}

	// A crash and a stop change values and add no series.
	count := seriesCount(got)
	if err := syscall.Kill(before.Instances[1].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a restart that counts as killed", func() bool {
		return value(series(t, r.metrics(""), "coderclaw_instance_restarts_total", "class=killed", "profile=dev")) == 1
	})
	if err := r.client.Stop(t.Context(), "dev"); err != nil {
		t.Fatal(err)
	}
	got = r.metrics("")
	for name, want := range map[string]float64{
		"coderclaw_instance_state profile=dev state=ready":   0,
		"coderclaw_instance_state profile=dev state=stopped": 1,
		"coderclaw_instance_uptime_seconds profile=dev":      0,
		"coderclaw_instance_memory_bytes profile=dev":        0,
	} {
		f := strings.Fields(name)
		if got := value(series(t, got, f[0], f[1:]...)); got != want {
			t.Errorf("stopped: %s: %v; want %v", name, got, want)
		}
	}
	if n := seriesCount(got); n != count {
		t.Errorf("%d series have become %d", count, n)
	}
	checkFamilies(t, got)

	only := r.metrics("default")
	for _, m := range only["coderclaw_instance_uptime_seconds"].GetMetric() {
		if p := m.GetLabel()[0].GetValue(); p != "default" {
			t.Errorf("asked for default, got %s", p)
		}
	}
	err := r.client.Metrics(t.Context(), "nobody", io.Discard)
	if err == nil || !strings.Contains(err.Error(), `does not run profile "nobody"; it runs default, dev`) {
		t.Errorf("of a stranger: %v", err)
	}
}

func seriesCount(families map[string]*dto.MetricFamily) int {
	n := 0
	for _, f := range families {
		n += len(f.GetMetric())
	}
	return n
}

// checkFamilies holds what is shown against the list that the documentation is made of.
func checkFamilies(t *testing.T, got map[string]*dto.MetricFamily) {
	t.Helper()
	for _, m := range Metrics() {
		f := got[m.Name]
		if f == nil || f.GetHelp() != m.Help || !strings.EqualFold(f.GetType().String(), string(m.Kind)) {
			t.Errorf("%s is shown as %v", m.Name, f)
		}
		for _, s := range f.GetMetric() {
			var labels []string
			for _, l := range s.GetLabel() {
				labels = append(labels, l.GetName())
			}
			slices.Sort(labels)
			if !slices.Equal(labels, m.Labels) {
				t.Errorf("%s has the labels %v; want %v", m.Name, labels, m.Labels)
			}
			for _, l := range labels {
				if m.Name != "coderclaw_build_info" && l != "profile" && l != "state" && l != "class" {
					t.Errorf("%s has the label %s", m.Name, l)
				}
			}
		}
		delete(got, m.Name)
	}
	for name := range got {
		t.Errorf("%s is not in the list", name)
	}
}

// logLines is what a logger writes, for a test to look at.
type logLines struct {
	mu  sync.Mutex // guards what follows
	all strings.Builder
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *logLines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

func (l *logLines) count(part string) int { return strings.Count(l.text(), part) }

// request asks the metrics port and returns the answer with its body.
func request(t *testing.T, client *http.Client, method, host string, port int, path string) (*http.Response, []byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, fmt.Sprintf("http://127.0.0.1:%d%s", port, path), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	res, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, body, err
}

// TestMetricsPort: a port that is held is waited for and does not matter
// otherwise; what it shows is shown to local names only, to look at.
func TestMetricsPort(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "dev")
	held, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	port := held.Addr().(*net.TCPAddr).Port
	log := new(logLines)
	r := supervise(t, ps, func(o *Options) {
		o.MetricsPort, o.MetricsRetry = port, 5*time.Millisecond
		o.Log = slog.New(slog.NewTextHandler(log, nil))
	})
	r.allReady()
	const complaint = "the metrics port cannot be had"
	waitFor(t, "a complaint about the port", func() bool { return log.count(complaint) > 0 })
	if log.count("it is held by pid "+strconv.Itoa(os.Getpid())) != 1 {
		t.Errorf("the log: %s", log.text())
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: new(http.Transport)}
	defer client.CloseIdleConnections()
	local := "127.0.0.1:" + strconv.Itoa(port)
	waitFor(t, "the port", func() bool {
		_, _, err := request(t, client, http.MethodGet, local, port, "/metrics")
		return err == nil
	})
	if n := log.count(complaint); n != 1 {
		t.Errorf("complained %d times", n)
	}
	for _, tc := range []struct {
		method, host, path string
		want               int
	}{
		{"GET", local, "/metrics", 200},
		{"GET", "localhost", "/metrics", 200},
		{"GET", "LOCALHOST:1", "/metrics", 200},
		{"HEAD", local, "/metrics", 200},
		{"GET", local, "/metrics?profile=nobody", 404},
		{"GET", local, "/v1/status", 404},
		{"GET", local, "/", 404},
		{"POST", local, "/metrics", 405},
		{"DELETE", local, "/metrics", 405},
		{"POST", local, "/v1/shutdown", 404},
		{"GET", "rebound.example:" + strconv.Itoa(port), "/metrics", 403},
		{"GET", "127.0.0.1.example", "/metrics", 403},
		{"GET", "[::1]:9464", "/metrics", 403},
	} {
		res, body, err := request(t, client, tc.method, tc.host, port, tc.path)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != tc.want {
			t.Errorf("%s %s at %s: %d; want %d", tc.method, tc.path, tc.host, res.StatusCode, tc.want)
		}
		if tc.want != 200 {
			continue
		}
		if ct := res.Header.Get("Content-Type"); ct != exposition.ContentType {
			t.Errorf("%s: content type %q", tc.method, ct)
		}
		if tc.method == "HEAD" {
			if len(body) > 0 {
				t.Errorf("HEAD: %d bytes", len(body))
			}
			continue
		}
		if n := value(series(t, parsed(t, body), "coderclaw_instance_state", "profile=dev", "state=ready")); n != 1 {
			t.Errorf("%s: ready is %v", tc.host, n)
		}
	}
}

// TestLimitedListener: no more connections than allowed, and a close ends the wait for one.
func TestLimitedListener(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newLimited(inner, 1)
	accepted := make(chan net.Conn)
	done := make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				done <- err
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp4", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a, b := dial(), dial()
	defer a.Close()
	defer b.Close()
	first := <-accepted
	select {
	case <-accepted:
		t.Error("a second connection beside the first")
	default:
	}
	for range 2 { // a second close gives nothing back
		_ = first.Close()
	}
	second := <-accepted
	defer second.Close()
	if n := len(l.free); n != 1 {
		t.Errorf("%d connections are counted", n)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err == nil {
		t.Error("it goes on")
	}
}
