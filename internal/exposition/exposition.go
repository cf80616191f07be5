// Package exposition owns the text format in which metrics are shown to
// Prometheus (version 0.0.4), and the histogram that goes with it. It knows no
// metric and serves nothing.
package exposition

import (
	"bufio"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ContentType is what an answer in this format is declared as.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Kind is what the values of a family are.
type Kind string

// The kinds.
const (
	KindCounter   Kind = "counter"   // only rises, from 0 at the start of the process
	KindGauge     Kind = "gauge"     // rises and falls
	KindHistogram Kind = "histogram" // counts of observations at or below bounds
)

// Family is what all samples of one name have in common. Name must be one that
// Prometheus takes, [a-zA-Z_:][a-zA-Z0-9_:]*; Help is one sentence for people.
type Family struct {
	Name string
	Kind Kind
	Help string
}

// Label tells samples of a family apart. Name must be [a-zA-Z_][a-zA-Z0-9_]*;
// Value is any text, of which bytes that are not UTF-8 are replaced.
type Label struct{ Name, Value string }

// Writer writes families, one after the other. The first error of the stream
// below shows at Flush. It is not safe for concurrent use.
type Writer struct {
	w      *bufio.Writer
	family Family
	begun  bool // the head of the family is written
	line   []byte
}

// NewWriter returns a Writer to w; nothing is sure to be there before Flush.
func NewWriter(w io.Writer) *Writer { return &Writer{w: bufio.NewWriter(w)} }

// Begin says what the samples that follow belong to. A family that gets none
// leaves no trace. All samples of a family must come behind one Begin.
func (w *Writer) Begin(f Family) { w.family, w.begun = f, false }

// Sample writes one value of a counter or gauge.
func (w *Writer) Sample(value float64, labels ...Label) {
	w.head()
	w.sample("", value, labels)
}

// Histogram writes all that h has observed.
func (w *Writer) Histogram(h *Histogram, labels ...Label) {
	w.head()
	bounds, counts, sum := h.read()
	labels = append(labels[:len(labels):len(labels)], Label{Name: "le"})
	le, total := &labels[len(labels)-1].Value, uint64(0)
	for i, n := range counts {
		total += n
		bound := math.Inf(1)
		if i < len(bounds) {
			bound = bounds[i]
		}
		*le = string(appendNumber(nil, bound))
		w.sample("_bucket", float64(total), labels)
	}
	w.sample("_sum", sum, labels[:len(labels)-1])
	w.sample("_count", float64(total), labels[:len(labels)-1])
}

// Flush writes what is left, and returns the first error that there was.
func (w *Writer) Flush() error { return w.w.Flush() }

// head writes the head of the family, once. Errors stick to the buffered writer.
func (w *Writer) head() {
	if w.begun {
		return
	}
	w.begun = true
	f := w.family
	help := strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(strings.ToValidUTF8(f.Help, "\uFFFD"))
	w.line = append(w.line[:0], "# HELP "...)
	w.line = append(append(append(w.line, f.Name...), ' '), help...)
	w.line = append(append(w.line, "\n# TYPE "...), f.Name...)
	w.line = append(append(append(w.line, ' '), f.Kind...), '\n')
	_, _ = w.w.Write(w.line)
}

func (w *Writer) sample(suffix string, value float64, labels []Label) {
	b := append(append(w.line[:0], w.family.Name...), suffix...)
	for i, l := range labels {
		open := byte(',')
		if i == 0 {
			open = '{'
		}
		b = append(append(append(b, open), l.Name...), `="`...)
		b = append(appendEscaped(b, l.Value), '"')
	}
	if len(labels) > 0 {
		b = append(b, '}')
	}
	b = append(appendNumber(append(b, ' '), value), '\n')
	_, _ = w.w.Write(b)
	w.line = b
}

// appendEscaped appends the value of a label as it stands between its quotes.
func appendEscaped(b []byte, value string) []byte {
	for _, c := range strings.ToValidUTF8(value, "\uFFFD") {
		switch c {
		case '\\':
			b = append(b, `\\`...)
		case '"':
			b = append(b, `\"`...)
		case '\n':
			b = append(b, `\n`...)
		default:
			b = utf8.AppendRune(b, c)
		}
	}
	return b
}

// appendNumber appends v as the format spells it: the shortest text that reads back as v, or +Inf, -Inf, NaN.
func appendNumber(b []byte, v float64) []byte { return strconv.AppendFloat(b, v, 'g', -1, 64) }
