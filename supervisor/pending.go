package supervisor

import "sync"

// pending counts what is under way. It is safe for concurrent use.
type pending struct {
	mu   sync.Mutex // guards what follows
	n    int
	over chan struct{} // closed when n is 0 again; nil when nobody waits for that
}

func (p *pending) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
}

func (p *pending) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n--; p.n == 0 && p.over != nil {
		close(p.over)
		p.over = nil
	}
}

var already = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// none returns what is closed once nothing is under way.
func (p *pending) none() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n == 0 {
		return already
	}
	if p.over == nil {
		p.over = make(chan struct{})
	}
	return p.over
}
