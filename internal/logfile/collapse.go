package logfile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

const (
	holdFor = 10 * time.Second // how long repeats are held back while lines keep coming

	// A batch of flood bytes or more says that a child prints faster than its lines
	// are stored. Comparing each with the one before would then cost a third of
	// what storing costs, so they are compared only around some samples first.
	flood       = 32 << 10
	samples     = 16 // places in a flood; a run between two of them may pass as it is
	sampleLines = 4  // lines compared at each
)

// collapser takes lines that repeat the one before out of a stream. The first of
// equal lines passes; the others are held back and become one line that counts
// them when another line comes, when they were held for holdFor and more lines
// come, or at the end. A single repeat passes as it is.
//
// Records of slog's JSON handler are equal when they differ in nothing but the
// time with which they begin. In a flood a short run may pass as it is; no line is
// ever lost. It is not safe for concurrent use.
type collapser struct {
	last  []byte // the last line seen, with its end
	held  int    // how many lines equal to last are held back
	since time.Time
	out   []byte
}

// add takes whole lines and returns what is to be stored of them, which is b
// itself when nothing repeats. The result is valid until the next call.
func (c *collapser) add(b []byte, now time.Time) []byte {
	c.out = c.out[:0]
	if c.held > 0 && now.Sub(c.since) >= holdFor {
		c.count(c.last)
	}
	last := c.last
	if c.held == 0 && len(c.out) == 0 && len(b) >= flood && !equalLines(last, b[:lineLen(b)]) && !mayRepeat(b) {
		c.last = append(c.last[:0], b[bytes.LastIndexByte(b[:len(b)-1], '\n')+1:]...)
		return b
	}
	head, tail := ends(last)
	kept := 0 // b[kept:at] passes
	whole := c.held == 0 && len(c.out) == 0
	for at := 0; at < len(b); {
		n := lineLen(b[at:])
		line := b[at : at+n]
		// This runs for every line of a child, and nearly all differ at one of their ends.
		if h, t := ends(line); h != head || t != tail || !equalLines(last, line) {
			if c.held > 0 {
				c.out = append(c.out, b[kept:at]...)
				kept = at
				c.count(last)
			}
			last, head, tail = line, h, t
			at += n
			continue
		}
		whole = false
		if c.held == 0 {
			c.since = now
		}
		c.out = append(c.out, b[kept:at]...)
		repeats := 1 + copies(b[at:], n)
		c.held += repeats
		at += n * repeats
		last = b[at-n : at]
		kept = at
	}
	c.last = append(c.last[:0], last...)
	if whole {
		return b
	}
	c.out = append(c.out, b[kept:]...)
	return c.out
}

// spare is what a quiet collapser may keep beyond what it needs, in bytes.
const spare = 1 << 10

// trim lets go of memory that only a storm needs. What add and flush have returned
// is no longer valid.
func (c *collapser) trim() {
	if cap(c.out) > spare {
		c.out = nil
	}
	if cap(c.last)-len(c.last) > spare {
		c.last = bytes.Clone(c.last)
	}
}

// flush returns the line that counts what is still held back.
func (c *collapser) flush() []byte {
	c.out = c.out[:0]
	if c.held > 0 {
		c.count(c.last)
	}
	return c.out
}

// count adds the line that stands for the held repeats of last to the output.
func (c *collapser) count(last []byte) {
	n := c.held
	c.held = 0
	if n == 1 {
		c.out = append(c.out, last...)
		return
	}
	end := timeEnd(last)
	if end == 0 {
		c.out = fmt.Appendf(c.out, "… repeated %d times\n", n)
		return
	}
	c.out = append(c.out, last[:end]...)
	c.out = fmt.Appendf(c.out, `,"level":"%s","msg":"last line repeated","count":%d}`+"\n", level(last[end:]), n)
}

// mayRepeat looks at samples of b for a line that repeats the one before.
func mayRepeat(b []byte) bool {
	for i := range samples {
		rest := b[i*len(b)/samples:]
		rest = rest[lineLen(rest):] // from where a line begins
		var last []byte
		for range sampleLines {
			n := lineLen(rest)
			if n == 0 {
				break
			}
			if equalLines(last, rest[:n]) {
				return true
			}
			last, rest = rest[:n], rest[n:]
		}
	}
	return false
}

// lineLen is the length of the first line of b with its end, 0 when it has none.
func lineLen(b []byte) int { return bytes.IndexByte(b, '\n') + 1 }

// ends are two numbers that equal lines have in common: their first and their
// last bytes. Those of records with a time begin with its key.
func ends(line []byte) (head, tail uint64) {
	if len(line) < 8 {
		return 0, 0
	}
	return binary.NativeEndian.Uint64(line), binary.NativeEndian.Uint64(line[len(line)-8:])
}

// equalLines compares two lines with their ends. Before it looks for times it
// compares what lies behind the place where a leading time ends at the latest.
func equalLines(a, b []byte) bool {
	if n := min(len(a), len(b)) - maxTimeEnd; n > 0 && !bytes.Equal(a[len(a)-n:], b[len(b)-n:]) {
		return false
	}
	if bytes.Equal(a, b) {
		return true
	}
	ta, tb := timeEnd(a), timeEnd(b)
	return ta > 0 && tb > 0 && bytes.Equal(a[ta:], b[tb:])
}

const (
	timeKey    = `{"time":"`
	maxTimeEnd = len(timeKey) + len(time.RFC3339Nano) + 1 // no time is longer than its form, and none holds a quote
)

// timeEnd is where the leading time of a JSON record ends, behind its quote, and
// 0 when line is no such record.
func timeEnd(line []byte) int {
	if len(line) < len(timeKey) || string(line[:len(timeKey)]) != timeKey || !bytes.HasSuffix(line, []byte("}\n")) {
		return 0
	}
	for i := len(timeKey); i < min(len(line), maxTimeEnd); i++ {
		switch ch := line[i]; {
		case ch == '"':
			return i + 1
		case ch >= '0' && ch <= '9' || ch == '-' || ch == ':' || ch == '.' || ch == '+' || ch == 'T' || ch == 'Z':
		default:
			return 0
		}
	}
	return 0
}

// level reads the level from what follows the time of a record, "INFO" when it
// is not there.
func level(rest []byte) string {
	rest, ok := bytes.CutPrefix(rest, []byte(`,"level":"`))
	if !ok {
		return "INFO"
	}
	for i, ch := range rest[:min(len(rest), 16)] {
		switch {
		case ch == '"':
			return string(rest[:i])
		case ch >= 'A' && ch <= 'Z' || ch >= 'a' && ch <= 'z' || ch >= '0' && ch <= '9' || ch == '+' || ch == '-':
		default:
			return "INFO"
		}
	}
	return "INFO"
}

// copies is how often the first n bytes of b, a line, stand there again right
// after themselves. It compares in growing strides: a flood of equal lines costs
// little more than reading it.
func copies(b []byte, n int) int {
	found := 0
	grow := true
	for stride := 1; stride > 0; {
		from, to := (found+1)*n, (found+1+stride)*n
		if to <= len(b) && bytes.Equal(b[from:to], b[from-n:to-n]) {
			found += stride
			if grow {
				stride *= 2
			}
			continue
		}
		grow = false
		stride /= 2
	}
	return found
}
