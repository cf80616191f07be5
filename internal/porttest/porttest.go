// Package porttest owns ports that tests hand to programs, which bind them later: what
// test has which, in this process and, on Linux, in all that run at the same time.
package porttest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
)

// Range is where ports are taken from. It should lie below those that the system gives
// to whoever asks for any, 32768 and up on Linux: such a one may be anybody's between
// the look whether it is free and its use.
type Range struct {
	First, Last int
	Size        int   // of a block
	Matters     []int // offsets in a block at which nobody may listen
}

// taken are the blocks that tests of this process have.
var taken struct {
	sync.Mutex
	bases []int
	count int // of all that were ever taken: what was given back is taken again as late as can be
}

// Take returns the base of a block that nobody has, until cleanup calls what it is given.
func (r Range) Take(cleanup func(func())) (int, error) {
	taken.Lock()
	defer taken.Unlock()
	blocks := (r.Last - r.First + 1) / r.Size
	start := os.Getpid() + taken.count // two processes at once begin at different places
	for i := range blocks {
		base := r.First + (start+i)%blocks*r.Size
		if slices.Contains(taken.bases, base) {
			continue
		}
		release, err := claim(base)
		if errors.Is(err, errClaimed) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if slices.ContainsFunc(r.Matters, func(offset int) bool { return !free(base + offset) }) {
			release()
			continue
		}
		taken.bases = append(taken.bases, base)
		taken.count += i + 1
		cleanup(func() {
			taken.Lock()
			defer taken.Unlock()
			taken.bases = slices.DeleteFunc(taken.bases, func(b int) bool { return b == base })
			release()
		})
		return base, nil
	}
	return 0, fmt.Errorf("no free block of %d ports from %d to %d", r.Size, r.First, r.Last)
}

// errClaimed says that a test of another process has the block.
var errClaimed = errors.New("somebody else has it")

func free(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	return err == nil && l.Close() == nil
}
