package logfile

import "sync"

// Buffers are those that readers of many logs have in turn: most are quiet at any
// time. The zero value is ready; it is safe for concurrent use. nil has none.
type Buffers struct{ pool sync.Pool }

func (b *Buffers) get() []byte {
	if b != nil {
		if buf, ok := b.pool.Get().(*[]byte); ok {
			return (*buf)[:0]
		}
	}
	return make([]byte, 0, readSize+slack)
}

// put takes a buffer back; one that has grown is left to the collector.
func (b *Buffers) put(buf []byte) {
	if b != nil && cap(buf) >= readSize+slack && cap(buf) < 4*readSize {
		b.pool.Put(&buf)
	}
}
