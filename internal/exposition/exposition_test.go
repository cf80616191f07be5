package exposition_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/coderclaw/coderclaw/internal/exposition"
)

func TestText(t *testing.T) {
	t.Parallel()
	h := exposition.NewHistogram([]float64{0.5, 1})
	for _, v := range []float64{0.25, 0.5, 0.75, 8} {
		h.Observe(v)
	}
	var out bytes.Buffer
	w := exposition.NewWriter(&out)
	w.Begin(exposition.Family{Name: "none", Kind: exposition.KindGauge, Help: "Nobody has it."})
	w.Begin(exposition.Family{Name: "up", Kind: exposition.KindGauge, Help: "Two\nlines and a \\."})
	w.Sample(1)
	w.Sample(math.Inf(1), exposition.Label{Name: "p", Value: "a \"b\"\n\\"}, exposition.Label{Name: "q", Value: "é"})
	w.Begin(exposition.Family{Name: "took_seconds", Kind: exposition.KindHistogram, Help: "Time."})
	w.Histogram(h, exposition.Label{Name: "p", Value: "x"})
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := `# HELP up Two\nlines and a \\.
# TYPE up gauge
up 1
up{p="a \"b\"\n\\",q="é"} +Inf
# HELP took_seconds Time.
# TYPE took_seconds histogram
took_seconds_bucket{p="x",le="0.5"} 2
took_seconds_bucket{p="x",le="1"} 3
took_seconds_bucket{p="x",le="+Inf"} 4
took_seconds_sum{p="x"} 9.5
took_seconds_count{p="x"} 4
`
	if got := out.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLabelsAreNotShared(t *testing.T) {
	t.Parallel()
	labels := append(make([]exposition.Label, 0, 4), exposition.Label{Name: "p", Value: "x"})
	w := exposition.NewWriter(new(bytes.Buffer))
	w.Begin(exposition.Family{Name: "h", Kind: exposition.KindHistogram})
	w.Histogram(exposition.NewHistogram(nil), labels...)
	if spare := labels[:2][1]; spare.Name != "" {
		t.Errorf("the caller's slice got %+v", spare)
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("gone") }

func TestErrorOfTheStream(t *testing.T) {
	t.Parallel()
	w := exposition.NewWriter(broken{})
	w.Begin(exposition.Family{Name: "a", Kind: exposition.KindGauge, Help: strings.Repeat("x", 1<<16)})
	w.Sample(1)
	if err := w.Flush(); err == nil || err.Error() != "gone" {
		t.Errorf("got %v", err)
	}
}

// FuzzWriter holds what is written against the parser that Prometheus has.
func FuzzWriter(f *testing.F) {
	f.Add("help", "value", 1.5)
	f.Add("a\\n\nb", "\"}\n# TYPE x\xff", math.Inf(-1))
	f.Fuzz(func(t *testing.T, help, value string, v float64) {
		h := exposition.NewHistogram([]float64{-1, 0, 1})
		h.Observe(v)
		var out bytes.Buffer
		w := exposition.NewWriter(&out)
		w.Begin(exposition.Family{Name: "a", Kind: exposition.KindGauge, Help: help})
		w.Sample(v, exposition.Label{Name: "l", Value: value})
		w.Begin(exposition.Family{Name: "b", Kind: exposition.KindHistogram, Help: help})
		w.Histogram(h, exposition.Label{Name: "l", Value: value})
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		parser := expfmt.NewTextParser(model.LegacyValidation)
		got, err := parser.TextToMetricFamilies(&out)
		if err != nil {
			t.Fatalf("%q %q: %v", help, value, err)
		}
		want := value
		if !utf8.ValidString(want) {
			want = strings.ToValidUTF8(want, "\uFFFD")
		}
		a := got["a"].GetMetric()[0]
		if text := a.GetLabel()[0].GetValue(); text != want {
			t.Errorf("label: got %q; want %q", text, want)
		}
		if n := a.GetGauge().GetValue(); n != v && !(math.IsNaN(n) && math.IsNaN(v)) {
			t.Errorf("value: got %v; want %v", n, v)
		}
		b := got["b"].GetMetric()[0].GetHistogram()
		if b.GetSampleCount() != 1 || len(b.GetBucket()) != 4 {
			t.Errorf("histogram: got %v", b)
		}
	})
}
