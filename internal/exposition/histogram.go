package exposition

import (
	"slices"
	"sync"
)

// Histogram counts observations by size. It is safe for concurrent use.
type Histogram struct {
	bounds []float64 // never changes

	mu     sync.Mutex // guards what follows
	counts []uint64   // of observations at or below the bound and above the one before; the last has no bound
	sum    float64
}

// NewHistogram returns a histogram with these upper bounds, which must rise and
// are not copied, and one more without a bound.
func NewHistogram(bounds []float64) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]uint64, len(bounds)+1)}
}

// Observe counts v, in the unit of the bounds.
func (h *Histogram) Observe(v float64) {
	at, _ := slices.BinarySearch(h.bounds, v)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[at]++
	h.sum += v
}

// read returns the bounds, and the counts and the sum as they were at one moment.
func (h *Histogram) read() (bounds []float64, counts []uint64, sum float64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.bounds, slices.Clone(h.counts), h.sum
}
