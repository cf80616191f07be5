// Package pollset owns waiting for many descriptors at the price of one goroutine:
// a supervisor of hundreds waits for the end of each child and for what each
// prints, and nearly always for all of them in vain. It reads nothing itself.
package pollset

import "os"

// Waiter is what a Set is to those that wait.
type Waiter interface {
	// Await calls fn once, on a goroutine of its own, when a read of f would not wait: there is
	// something, an end or an error. cancel gives that up; it returns false when fn was or
	// will be called nevertheless. f must stay open until then.
	Await(f *os.File, fn func()) (cancel func() bool, err error)
}
