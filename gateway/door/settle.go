package door

import (
	"context"
	"time"
)

// Arrival is how long after its connection was made a client may take to send a
// request that the end of the gateway waits for. Who has said nothing, or only
// half of something, for so long does not hold up a restart.
const Arrival = time.Second

// lastLook is how long connections are still looked at whose time is over: what had come
// on them may not have been read, if this process was kept waiting for a processor.
const lastLook = 50 * time.Millisecond

// Settle waits until every request that has come is answered and none is on its
// way, or until ctx ends; then it closes the connections on which nothing has come. A client
// has arrival for its request. Nobody new is accepted meanwhile.
func (d *Door) Settle(ctx context.Context, arrival time.Duration) {
	begin := time.Now()
	var look time.Time // when the last look ends; zero while somebody is waited for
	for ctx.Err() == nil {
		late, changed := d.waiting(begin, arrival)
		if !late.IsZero() {
			look = time.Time{}
		} else {
			if look.IsZero() {
				look = time.Now().Add(lastLook)
			}
			if late = look; !time.Now().Before(look) || len(d.in(arriving))+len(d.in(greeting)) == 0 {
				break
			}
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
// nothing. WebSockets that began their greeting before the drain have arrival from then.
func (d *Door) waiting(begin time.Time, arrival time.Duration) (until time.Time, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	for e := d.strangers.Front(); e != nil; e = e.Next() {
		var late time.Time
		switch c := e.Value.(*Conn); c.stage {
		case arriving:
			late = c.since.Add(arrival)
		case answering:
			late = now.Add(time.Hour) // the answer, or the end of ctx, comes first
		case greeting:
			late = begin.Add(arrival)
		}
		if late.After(until) && late.After(now) {
			until = late
		}
	}
	return until, d.stepLocked()
}
