package nodes

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/internal/jsonfile"
)

// What a caller can be wrong about.
var (
	errUnknownRequest = errors.New("unknown requestId")
	errUnknownNode    = errors.New("unknown nodeId")
	errLargeRequest   = fmt.Errorf("a pairing request has at most %d bytes", maxRequest)
	errLongName       = fmt.Errorf("a name has at most %d bytes", maxName)
)

// maxPending bounds the requests that wait at once.
const maxPending = 200

// maxRequest bounds one of them, in bytes of JSON; it is as much as a client may say of
// itself when it connects.
const maxRequest = 64 << 10

// maxName bounds the name that a person gives to a node, in bytes.
const maxName = 1 << 10

// store keeps pairing requests, paired nodes and the names that people gave to
// nodes, in three files below <state>/nodes. They are read at the first use and
// written at each change. A file that cannot be read is an error at each use and
// is never written over. It is safe for concurrent use.
type store struct {
	dir string
	now func() time.Time

	mu      sync.Mutex // guards what follows
	loaded  bool
	pending map[string]protocol.NodePairRequest // by request id
	paired  map[string]protocol.PairedNode      // by node id
	names   map[string]string                   // by node id
}

const (
	pendingFile = "pending.json"
	pairedFile  = "paired.json"
	namesFile   = "names.json"
)

func newStore(stateDir string, now func() time.Time) *store {
	return &store{dir: filepath.Join(stateDir, "nodes"), now: now}
}

// loadLocked reads the files once and drops requests that nobody answered in time.
// s.mu must be held.
func (s *store) loadLocked() error {
	if !s.loaded {
		pending, err := jsonfile.ReadMap[protocol.NodePairRequest](filepath.Join(s.dir, pendingFile), func(key string, r protocol.NodePairRequest) bool { return r.RequestID == key && r.NodeID != "" })
		if err != nil {
			return err
		}
		paired, err := jsonfile.ReadMap[protocol.PairedNode](filepath.Join(s.dir, pairedFile), func(key string, n protocol.PairedNode) bool { return n.NodeID == key && n.Token != "" })
		if err != nil {
			return err
		}
		names, err := jsonfile.ReadMap[string](filepath.Join(s.dir, namesFile), func(key, name string) bool { return key != "" && name != "" })
		if err != nil {
			return err
		}
		s.pending, s.paired, s.names, s.loaded = pending, paired, names, true
	}
	maps.DeleteFunc(s.pending, func(_ string, r protocol.NodePairRequest) bool {
		return auth.Overdue(s.now(), r.TS)
	})
	return nil
}

// change replaces one of the maps once what it will hold is on disk, so that memory
// and disk agree when the disk is full. s.mu must be held.
func change[V any](s *store, name string, m *map[string]V, do func(map[string]V)) error {
	next := maps.Clone(*m)
	do(next)
	if err := jsonfile.Write(filepath.Join(s.dir, name), next); err != nil {
		return err
	}
	*m = next
	return nil
}

// request notes that a node wants to be paired. One that waits already is returned as it is.
func (s *store) request(p protocol.NodePairRequestParams) (r protocol.NodePairRequest, created bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.loadLocked(); err != nil {
		return r, false, err
	}
	for _, r := range s.pending {
		if r.NodeID == p.NodeID {
			return r, false, nil
		}
	}
	if len(s.pending) >= maxPending {
		return r, false, fmt.Errorf("%d pairing requests wait already; approve or reject some", len(s.pending))
	}
	if raw, err := json.Marshal(p); err != nil || len(raw) > maxRequest {
		return r, false, errLargeRequest
	}
	_, again := s.paired[p.NodeID]
	r = protocol.NodePairRequest{RequestID: uuid.NewString(), NodePairRequestParams: p, IsRepair: again, TS: s.now().UnixMilli()}
	return r, true, change(s, pendingFile, &s.pending, func(m map[string]protocol.NodePairRequest) { m[r.RequestID] = r })
}

// list returns copies, in no order.
func (s *store) list() (pending []protocol.NodePairRequest, paired []protocol.PairedNode, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.loadLocked(); err != nil {
		return nil, nil, err
	}
	return slices.Collect(maps.Values(s.pending)), slices.Collect(maps.Values(s.paired)), nil
}

// approve pairs the node of a request, with a new token.
func (s *store) approve(requestID string) (protocol.PairedNode, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.findLocked(requestID)
	if err != nil {
		return protocol.PairedNode{}, err
	}
	now := s.now().UnixMilli()
	n := protocol.PairedNode{NodeID: r.NodeID, Token: auth.RandomToken(), DisplayName: r.DisplayName, Platform: r.Platform, Version: r.Version, CoreVersion: r.CoreVersion,
		UIVersion: r.UIVersion, DeviceFamily: r.DeviceFamily, ModelIdentifier: r.ModelIdentifier, Caps: r.Caps, Commands: r.Commands, RemoteIP: r.RemoteIP,
		CreatedAtMs: now, ApprovedAtMs: now}
	if old, again := s.paired[r.NodeID]; again {
		n.CreatedAtMs, n.Bins, n.LastConnectedAtMs = old.CreatedAtMs, old.Bins, old.LastConnectedAtMs
	}
	if err := change(s, pairedFile, &s.paired, func(m map[string]protocol.PairedNode) { m[n.NodeID] = n }); err != nil {
		return protocol.PairedNode{}, err
	}
	return n, s.dropLocked(requestID)
}

// reject drops a request and returns the id of its node.
func (s *store) reject(requestID string) (nodeID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.findLocked(requestID)
	if err != nil {
		return "", err
	}
	return r.NodeID, s.dropLocked(requestID)
}

// findLocked returns a request that still waits. s.mu must be held.
func (s *store) findLocked(requestID string) (protocol.NodePairRequest, error) {
	if err := s.loadLocked(); err != nil {
		return protocol.NodePairRequest{}, err
	}
	r, ok := s.pending[requestID]
	if !ok {
		return r, errUnknownRequest
	}
	return r, nil
}

// dropLocked forgets a request. s.mu must be held.
func (s *store) dropLocked(requestID string) error {
	return change(s, pendingFile, &s.pending, func(m map[string]protocol.NodePairRequest) { delete(m, requestID) })
}

// verify returns the paired node whose token that is, nil if it is not.
func (s *store) verify(nodeID, token string) (*protocol.PairedNode, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.loadLocked(); err != nil {
		return nil, err
	}
	n, ok := s.paired[nodeID]
	if !auth.Equal(n.Token, token) || !ok {
		return nil, nil
	}
	return &n, nil
}

// rename gives a node a name of a person's choice. known tells whether there is such
// a node beside those that are paired here.
func (s *store) rename(nodeID, name string, known bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.loadLocked(); err != nil {
		return err
	}
	n, here := s.paired[nodeID]
	if !here && !known {
		return errUnknownNode
	}
	if len(name) > maxName {
		return errLongName
	}
	if here {
		n.DisplayName = name
		if err := change(s, pairedFile, &s.paired, func(m map[string]protocol.PairedNode) { m[nodeID] = n }); err != nil {
			return err
		}
	}
	return change(s, namesFile, &s.names, func(m map[string]string) { m[nodeID] = name })
}

// given returns the names that people gave to nodes, by node id.
func (s *store) given() (map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.loadLocked(); err != nil {
		return nil, err
	}
	return maps.Clone(s.names), nil
}
