package approvals

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

func ptr(s string) *string { return &s }

// asking puts a question on the side and returns where its end will be told.
func asking(ctx context.Context, d *Decisions, s *rpc.Session, p protocol.ExecApprovalRequestParams) <-chan protocol.ExecApprovalResult {
	done := make(chan protocol.ExecApprovalResult, 1)
	go func() {
		defer close(done)
		if res, err := d.request(ctx, s, p, nil); err == nil {
			done <- res
		}
	}()
	synctest.Wait()
	return done
}

func TestDecisionsExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := NewDecisions(time.Now, func(string, any) {})
		begin := time.Now()
		done := asking(t.Context(), d, &rpc.Session{ID: "c"}, protocol.ExecApprovalRequestParams{ID: "a", Command: "ls"})
		if res := <-done; res.Decision != nil || time.Since(begin) != defaultTimeout || res.ExpiresAtMs-res.CreatedAtMs != 120_000 {
			t.Errorf("%+v after %v", res, time.Since(begin))
		}
		if d.decide("a", protocol.AllowOnce) {
			t.Error("it was decided too late")
		}
		if res, err := d.wait(t.Context(), nil, protocol.ExecApprovalWaitParams{ID: "a"}); err != nil || res.Decision != nil {
			t.Errorf("within the grace: %+v %v", res, err)
		}
		time.Sleep(grace + time.Millisecond)
		if _, err := d.wait(t.Context(), nil, protocol.ExecApprovalWaitParams{ID: "a"}); err == nil || err.Error() != "approval expired or not found" {
			t.Errorf("after the grace: %v", err)
		}
		done = asking(t.Context(), d, &rpc.Session{ID: "c"}, protocol.ExecApprovalRequestParams{ID: "b", Command: "ls", TimeoutMs: 1 << 60})
		d.Close()
		d.Close()
		if res := <-done; res.Decision != nil || res.ExpiresAtMs-res.CreatedAtMs != maxTimeout.Milliseconds() {
			t.Errorf("at the end: %+v", res)
		}
	})
}

// TestLargeQuestions: who may ask cannot fill the memory by asking.
func TestLargeQuestions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := NewDecisions(time.Now, func(string, any) {})
		long := strings.Repeat("x", maxText/4)
		for i, p := range []protocol.ExecApprovalRequestParams{{Command: long}, {Command: "a", Cwd: &long}, {Command: "b", SessionKey: &long}} {
			p.ID = fmt.Sprint(i)
			asking(t.Context(), d, &rpc.Session{ID: "c"}, p)
		}
		if _, err := d.add(&rpc.Session{}, protocol.ExecApprovalRequestParams{ID: "one more", Command: long}); err == nil {
			t.Error("more text than may be kept")
		}
		d.decide("0", protocol.Deny)
		time.Sleep(grace + time.Second)
		if _, err := d.add(&rpc.Session{}, protocol.ExecApprovalRequestParams{ID: "one more", Command: long}); err != nil {
			t.Errorf("when there is room again: %v", err)
		}
		d.Close()
	})
}

func TestRedeem(t *testing.T) {
	t.Parallel()
	run := protocol.ExecApproval{Cwd: ptr("/w"), AgentID: ptr("main"), SessionKey: ptr("s")}
	request := func(change func(*protocol.ExecApprovalRequestParams)) protocol.ExecApprovalRequestParams {
		p := protocol.ExecApprovalRequestParams{ID: "a", Command: "ls -l", Host: ptr("node"), Cwd: ptr("/w"), AgentID: ptr("main"), SessionKey: ptr("s")}
		if change != nil {
			change(&p)
		}
		return p
	}
	asker := &rpc.Session{ID: "c", DeviceID: "d"}
	for _, tc := range []struct {
		name          string
		by, redeemer  *rpc.Session
		id            string
		change        func(*protocol.ExecApprovalRequestParams)
		decision      string
		wait          time.Duration
		wanted        string
		want, refused string
	}{
		{name: "once", by: asker, redeemer: &rpc.Session{ID: "other", DeviceID: "d"}, decision: protocol.AllowOnce, want: protocol.AllowOnce},
		{name: "always", by: asker, redeemer: asker, decision: protocol.AllowAlways, wanted: protocol.AllowAlways, want: protocol.AllowAlways},
		{name: "less", by: asker, redeemer: asker, decision: protocol.AllowAlways, wanted: protocol.AllowOnce, want: protocol.AllowOnce},
		{name: "more", by: asker, redeemer: asker, decision: protocol.AllowOnce, wanted: protocol.AllowAlways, want: protocol.AllowOnce},
		{name: "no device", by: &rpc.Session{ID: "c"}, redeemer: &rpc.Session{ID: "c"}, decision: protocol.AllowOnce, want: protocol.AllowOnce},
		{name: "denied", by: asker, redeemer: asker, decision: protocol.Deny, refused: "APPROVAL_REQUIRED"},
		{name: "not decided", by: asker, redeemer: asker, refused: "APPROVAL_REQUIRED"},
		{name: "unknown", by: asker, redeemer: asker, id: "z", refused: "UNKNOWN_APPROVAL_ID"},
		{name: "late", by: asker, redeemer: asker, wait: defaultTimeout + time.Second, refused: "APPROVAL_EXPIRED"},
		{name: "much too late", by: asker, redeemer: asker, decision: protocol.AllowOnce, wait: grace + time.Second, refused: "UNKNOWN_APPROVAL_ID"},
		{name: "other device", by: asker, redeemer: &rpc.Session{ID: "c", DeviceID: "e"}, decision: protocol.AllowOnce, refused: "APPROVAL_DEVICE_MISMATCH"},
		{name: "other client", by: &rpc.Session{ID: "c"}, redeemer: &rpc.Session{ID: "e", DeviceID: "d"}, decision: protocol.AllowOnce, refused: "APPROVAL_CLIENT_MISMATCH"},
		{name: "other command", by: asker, redeemer: asker, change: func(p *protocol.ExecApprovalRequestParams) { p.Command = "rm" }, decision: protocol.AllowOnce, refused: "APPROVAL_REQUEST_MISMATCH"},
		{name: "other place", by: asker, redeemer: asker, change: func(p *protocol.ExecApprovalRequestParams) { p.Cwd = nil }, decision: protocol.AllowOnce, refused: "APPROVAL_REQUEST_MISMATCH"},
		{name: "other agent", by: asker, redeemer: asker, change: func(p *protocol.ExecApprovalRequestParams) { p.AgentID = ptr("x") }, decision: protocol.AllowOnce, refused: "APPROVAL_REQUEST_MISMATCH"},
		{name: "other session", by: asker, redeemer: asker, change: func(p *protocol.ExecApprovalRequestParams) { p.SessionKey = nil }, decision: protocol.AllowOnce, refused: "APPROVAL_REQUEST_MISMATCH"},
		{name: "other host", by: asker, redeemer: asker, change: func(p *protocol.ExecApprovalRequestParams) { p.Host = ptr("gateway") }, decision: protocol.AllowOnce, refused: "APPROVAL_REQUEST_MISMATCH"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := NewDecisions(time.Now, func(string, any) {})
				done := asking(t.Context(), d, tc.by, request(tc.change))
				if tc.decision != "" && !d.decide("a", tc.decision) {
					t.Fatal("not decided")
				}
				time.Sleep(tc.wait)
				id := "a"
				if tc.id != "" {
					id = tc.id
				}
				for range 2 {
					got, no := d.Redeem(id, tc.redeemer, []string{"sh -c ls", "ls -l"}, run, tc.wanted)
					code := ""
					if no != nil {
						code = no.Details.(map[string]string)["code"]
					}
					if got != tc.want || code != tc.refused {
						t.Errorf("%q %q", got, code)
					}
					if tc.want != "" { // what is spent is gone
						tc.want, tc.refused = "", "UNKNOWN_APPROVAL_ID"
					}
				}
				d.Close()
				<-done
			})
		})
	}
}
