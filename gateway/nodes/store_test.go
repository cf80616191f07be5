package nodes

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/protocol"
)

func TestStoreKeepsAndForgets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.UnixMilli(1_000_000)
	clock := func() time.Time { return now }
	s := newStore(dir, clock)
	first, created, err := s.request(protocol.NodePairRequestParams{NodeID: "a", DisplayName: "one"})
	if err != nil || !created || first.IsRepair {
		t.Fatalf("%+v %v %v", first, created, err)
	}
	if again, created, err := s.request(protocol.NodePairRequestParams{NodeID: "a", DisplayName: "two"}); err != nil || created || again.RequestID != first.RequestID || again.DisplayName != "one" {
		t.Fatalf("the same node again: %+v %v %v", again, created, err)
	}
	n, err := s.approve(first.RequestID)
	if err != nil || len(n.Token) != 43 {
		t.Fatalf("%+v %v", n, err)
	}
	now = now.Add(time.Minute)
	s = newStore(dir, clock) // what a restart finds
	if got, err := s.verify("a", n.Token); err != nil || got == nil || got.DisplayName != "one" {
		t.Fatalf("verify: %+v %v", got, err)
	}
	for _, tc := range [][2]string{{"a", "x"}, {"b", n.Token}, {"b", ""}} {
		if got, err := s.verify(tc[0], tc[1]); err != nil || got != nil {
			t.Errorf("verify %q: %+v %v", tc, got, err)
		}
	}
	if err := s.rename("a", "new", false); err != nil {
		t.Fatal(err)
	}
	if err := s.rename("b", "new", false); !errors.Is(err, errUnknownNode) {
		t.Errorf("rename of nobody: %v", err)
	}
	repair, _, err := s.request(protocol.NodePairRequestParams{NodeID: "a"})
	if err != nil || !repair.IsRepair {
		t.Fatalf("%+v %v", repair, err)
	}
	now = now.Add(auth.PendingTTL + time.Millisecond)
	if _, err := s.approve(repair.RequestID); !errors.Is(err, errUnknownRequest) {
		t.Errorf("approve of one that waited too long: %v", err)
	}
	if pending, paired, err := s.list(); err != nil || len(pending) != 0 || len(paired) != 1 || paired[0].DisplayName != "new" {
		t.Errorf("%v %v %v", pending, paired, err)
	}
}

func TestStoreIsBounded(t *testing.T) {
	t.Parallel()
	s := newStore(t.TempDir(), time.Now)
	s.loaded, s.pending = true, map[string]protocol.NodePairRequest{}
	for i := range maxPending {
		id := strings.Repeat("x", i+1)
		s.pending[id] = protocol.NodePairRequest{RequestID: id, NodePairRequestParams: protocol.NodePairRequestParams{NodeID: id}, TS: time.Now().UnixMilli()}
	}
	if _, _, err := s.request(protocol.NodePairRequestParams{NodeID: "one more"}); err == nil {
		t.Error("one more was taken")
	}
	s = newStore(t.TempDir(), time.Now)
	if _, _, err := s.request(protocol.NodePairRequestParams{NodeID: "large", Caps: []string{strings.Repeat("x", maxRequest)}}); !errors.Is(err, errLargeRequest) {
		t.Errorf("a large one: %v", err)
	}
	if err := s.rename("n", strings.Repeat("x", maxName+1), true); !errors.Is(err, errLongName) {
		t.Errorf("a long name: %v", err)
	}
	if err := s.rename("n", strings.Repeat("x", maxName), true); err != nil {
		t.Errorf("a name: %v", err)
	}
}

// A damaged file is named, and stays as it is whatever is asked.
func TestStoreLeavesDamageAlone(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ file, text, want string }{
		{pendingFile, "{", "mend or remove it"},
		{pairedFile, "null", "holds null"},
		{pairedFile, `{"a":{"nodeId":"b","token":"t"}}`, `the entry "a" is damaged`},
		{pairedFile, `{"a":{"nodeId":"a"}}`, `the entry "a" is damaged`},
		{namesFile, `[]`, "mend or remove it"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "nodes", tc.file)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(tc.text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := newStore(dir, time.Now)
		_, _, err := s.request(protocol.NodePairRequestParams{NodeID: "n"})
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s %s: %v", tc.file, tc.text, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != tc.text {
			t.Errorf("%s became %q, %v", tc.file, got, err)
		}
	}
}
