package approvals

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

const (
	defaultTimeout = 120 * time.Second
	maxTimeout     = 24 * time.Hour
	// grace is how long a decision, or that there was none, can still be asked for.
	grace = 15 * time.Second
	// maxRecords bounds the questions that are kept at once.
	maxRecords = 1000
	// maxText bounds their texts together, in bytes: a command may be a long script, but
	// not all of them are.
	maxText = 32 << 20
)

// hostNode is the host of commands that run on a node.
const hostNode = "node"

// Tell sends an event to everybody who may decide.
type Tell func(event string, payload any)

// Decisions are the questions whether a command may run, and the answers to them. It
// is safe for concurrent use.
type Decisions struct {
	now  func() time.Time
	tell Tell

	closing   chan struct{} // closed when nobody is to wait any more
	closeOnce sync.Once

	mu      sync.Mutex // guards what follows
	records map[string]*record
}

// record is one question.
type record struct {
	id               string
	request          protocol.ExecApproval
	created, expires time.Time
	connID, deviceID string // of who asked

	decided    chan struct{} // closed once decision is set
	decision   string
	resolvedAt time.Time
}

// NewDecisions returns the feature.
func NewDecisions(now func() time.Time, tell Tell) *Decisions {
	return &Decisions{now: now, tell: tell, closing: make(chan struct{}), records: map[string]*record{}}
}

// Register adds the methods exec.approval.*.
func (d *Decisions) Register(m *rpc.Mux) {
	rpc.HandleTwice(m, "exec.approval.request", rpc.ScopeApprovals, d.request)
	rpc.HandleLoose(m, "exec.approval.waitDecision", rpc.ScopeApprovals, d.wait)
	m.Waits("exec.approval.waitDecision")
	rpc.Handle(m, "exec.approval.resolve", rpc.ScopeApprovals, d.resolve)
}

// Close ends all waiting, as if nobody had decided in time: the gateway ends.
func (d *Decisions) Close() { d.closeOnce.Do(func() { close(d.closing) }) }

// sweepLocked forgets what nobody may ask for any more. d.mu must be held.
func (d *Decisions) sweepLocked() {
	now := d.now()
	maps.DeleteFunc(d.records, func(_ string, r *record) bool {
		end := r.expires
		if r.decision != "" {
			end = r.resolvedAt
		}
		return now.After(end.Add(grace))
	})
}

func (d *Decisions) request(ctx context.Context, s *rpc.Session, p protocol.ExecApprovalRequestParams, early func(protocol.ExecApprovalAccepted) error) (protocol.ExecApprovalResult, error) {
	r, err := d.add(s, p)
	if err != nil {
		return protocol.ExecApprovalResult{}, err
	}
	d.tell("exec.approval.requested", protocol.ExecApprovalRequestedEvent{ID: r.id, Request: r.request, CreatedAtMs: r.created.UnixMilli(), ExpiresAtMs: r.expires.UnixMilli()})
	if p.TwoPhase {
		if err := early(protocol.ExecApprovalAccepted{Status: "accepted", ID: r.id, CreatedAtMs: r.created.UnixMilli(), ExpiresAtMs: r.expires.UnixMilli()}); err != nil {
			return protocol.ExecApprovalResult{}, err
		}
	}
	return d.await(ctx, r)
}

func (d *Decisions) add(s *rpc.Session, p protocol.ExecApprovalRequestParams) (*record, error) {
	limit := defaultTimeout
	if p.TimeoutMs > 0 {
		limit = time.Duration(min(p.TimeoutMs, maxTimeout.Milliseconds())) * time.Millisecond
	}
	now := d.now()
	r := &record{id: cmp.Or(strings.TrimSpace(p.ID), uuid.NewString()), created: now, expires: now.Add(limit), connID: s.ID, deviceID: s.DeviceID, decided: make(chan struct{}),
		request: protocol.ExecApproval{Command: p.Command, Cwd: p.Cwd, Host: p.Host, Security: p.Security, Ask: p.Ask, AgentID: p.AgentID, ResolvedPath: p.ResolvedPath, SessionKey: p.SessionKey}}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sweepLocked()
	if _, twice := d.records[r.id]; twice {
		return nil, protocol.Invalid("approval id already pending")
	}
	if len(d.records) >= maxRecords {
		return nil, fmt.Errorf("%d approvals are kept already; decide some, or ask again when they have expired", len(d.records))
	}
	size := r.size()
	for _, other := range d.records {
		size += other.size()
	}
	if size > maxText {
		return nil, fmt.Errorf("the approvals that are kept would have more than %d bytes of text; decide some, or ask again when they have expired", maxText)
	}
	d.records[r.id] = r
	return r, nil
}

// size is how much text is kept of a question, in bytes.
func (r *record) size() int {
	n := len(r.id) + len(r.request.Command)
	for _, p := range []*string{r.request.Cwd, r.request.Host, r.request.Security, r.request.Ask, r.request.AgentID, r.request.ResolvedPath, r.request.SessionKey} {
		if p != nil {
			n += len(*p)
		}
	}
	return n
}

// await returns the decision on a question once there is one, or none when it expires.
func (d *Decisions) await(ctx context.Context, r *record) (protocol.ExecApprovalResult, error) {
	timer := time.NewTimer(r.expires.Sub(d.now()))
	defer timer.Stop()
	select {
	case <-r.decided:
	case <-timer.C:
	case <-d.closing:
	case <-ctx.Done():
		return protocol.ExecApprovalResult{}, ctx.Err()
	}
	res := protocol.ExecApprovalResult{ID: r.id, CreatedAtMs: r.created.UnixMilli(), ExpiresAtMs: r.expires.UnixMilli()}
	d.mu.Lock()
	defer d.mu.Unlock()
	if r.decision != "" {
		decision := r.decision
		res.Decision = &decision
	}
	return res, nil
}

func (d *Decisions) wait(ctx context.Context, _ *rpc.Session, p protocol.ExecApprovalWaitParams) (protocol.ExecApprovalResult, error) {
	id := strings.TrimSpace(p.ID)
	if id == "" {
		return protocol.ExecApprovalResult{}, protocol.Invalid("id is required")
	}
	d.mu.Lock()
	d.sweepLocked()
	r := d.records[id]
	d.mu.Unlock()
	if r == nil {
		return protocol.ExecApprovalResult{}, protocol.Invalid("approval expired or not found")
	}
	return d.await(ctx, r)
}

func (d *Decisions) resolve(_ context.Context, s *rpc.Session, p protocol.ExecApprovalResolveParams) (protocol.OK, error) {
	if !slices.Contains([]string{protocol.AllowOnce, protocol.AllowAlways, protocol.Deny}, p.Decision) {
		return protocol.OK{}, protocol.Invalid("invalid decision")
	}
	if !d.decide(p.ID, p.Decision) {
		return protocol.OK{}, protocol.Invalid("unknown approval id")
	}
	d.tell("exec.approval.resolved", protocol.ExecApprovalResolvedEvent{ID: p.ID, Decision: p.Decision, ResolvedBy: cmp.Or(s.Client.DisplayName, s.Client.ID), TS: d.now().UnixMilli()})
	return protocol.OK{OK: true}, nil
}

// decide notes a decision; false when the question is not there, expired or decided.
func (d *Decisions) decide(id, decision string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sweepLocked()
	r := d.records[id]
	if r == nil || r.decision != "" || !d.now().Before(r.expires) {
		return false
	}
	r.decision, r.resolvedAt = decision, d.now()
	close(r.decided)
	return true
}

// Redeem returns the decision under which s may run a command on a node, or why it
// may not. texts are the ways to write the command, run its circumstances. Who asked
// redeems it, once, and only for what was asked.
func (d *Decisions) Redeem(id string, s *rpc.Session, texts []string, run protocol.ExecApproval, wanted string) (string, *protocol.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sweepLocked()
	r := d.records[id]
	switch {
	case r == nil:
		return "", refuse(id, "UNKNOWN_APPROVAL_ID", "unknown or expired approval id")
	case d.now().After(r.expires):
		return "", refuse(id, "APPROVAL_EXPIRED", "approval expired")
	case r.deviceID != "" && r.deviceID != s.DeviceID:
		return "", refuse(id, "APPROVAL_DEVICE_MISMATCH", "approval id is not of this device")
	case r.deviceID == "" && r.connID != s.ID:
		return "", refuse(id, "APPROVAL_CLIENT_MISMATCH", "approval id is not of this client")
	case !slices.Contains(texts, r.request.Command) || text(r.request.Host) != hostNode || text(r.request.Cwd) != text(run.Cwd) ||
		text(r.request.AgentID) != text(run.AgentID) || text(r.request.SessionKey) != text(run.SessionKey):
		return "", refuse(id, "APPROVAL_REQUEST_MISMATCH", "approval id is for another request")
	case r.decision != protocol.AllowOnce && r.decision != protocol.AllowAlways:
		return "", refuse(id, "APPROVAL_REQUIRED", "approval required")
	}
	delete(d.records, id)
	if wanted == protocol.AllowOnce {
		return protocol.AllowOnce, nil // less than was given
	}
	return r.decision, nil
}

func refuse(id, code, message string) *protocol.Error {
	no := protocol.Invalid(message)
	no.Details = map[string]string{"code": code, "runId": id}
	return no
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return strings.TrimSpace(*p)
}
