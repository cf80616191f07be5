package door

import (
	"context"
	"time"
)

// Arrival is how long after its connection was made a client may take to send a
// request that the end of the gateway waits for. Who has said nothing, or only
// half of something, for so long does not hold up a restart.
const Arrival = time.Second

// Settle waits until every request that has come is answered and none is on its
// way, or until ctx ends; then it closes the connections on which nothing has come. Nobody
// new is accepted meanwhile.
func (d *Door) Settle(ctx context.Context) {
	begin := time.Now()
	for ctx.Err() == nil {
		late, changed := d.waiting(begin)
		if late.IsZero() {
			break
		}
		timer := time.NewTimer(time.Until(late))
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
	for _, c := range d.in(arriving) {
		_ = c.Close() // the server takes note
	}
}

// in lists the strangers in a stage.
func (d *Door) in(s stage) (all []*Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for e := d.strangers.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*Conn); c.stage == s {
			all = append(all, c)
		}
	}
	return all
}

// waiting tells until when there is something to wait for; zero when there is
// nothing. WebSockets that began their greeting before the drain have Arrival from then.
func (d *Door) waiting(begin time.Time) (until time.Time, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for e := d.strangers.Front(); e != nil; e = e.Next() {
		var late time.Time
		switch c := e.Value.(*Conn); c.stage {
		case arriving:
			late = c.since.Add(Arrival)
		case answering:
			late = now.Add(time.Hour) // the answer, or the end of ctx, comes first
		case greeting:
			late = begin.Add(Arrival)
		}
		if late.After(until) && late.After(now) {
			until = late
		}
	}
	return until, d.stepLocked()
}
