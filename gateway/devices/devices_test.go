package devices

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway/auth"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// TestListIsEmptyNotNull: clients walk the lists without looking.
func TestListIsEmptyNotNull(t *testing.T) {
	t.Parallel()
	f := New(auth.NewDevices(t.TempDir(), time.Now), time.Now, nil, nil)
	res, err := f.list(t.Context(), nil, protocol.Empty{})
	if err != nil || res.Pending == nil || res.Paired == nil {
		t.Errorf("%+v, %v", res, err)
	}
}

// TestMayGrant: nobody gives away more than he may do himself.
func TestMayGrant(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ has, gives, missing string }{
		{"operator.admin", "operator.anything", ""},
		{"operator.read", "operator.read", ""},
		{"operator.write", "operator.read", ""},
		{"operator.read", "operator.write", "operator.write"},
		{"operator.pairing", "operator.admin", "operator.admin"},
	} {
		got := ""
		if err := mayGrant(&rpc.Session{Scopes: []string{tc.has}}, []string{tc.gives}); err != nil {
			got = err.Error()
		}
		want := ""
		if tc.missing != "" {
			want = "missing scope: " + tc.missing
		}
		if got != want {
			t.Errorf("%s gives %s: %q, want %q", tc.has, tc.gives, got, want)
		}
	}
}

// TestWrong: only what the caller got wrong is called invalid.
func TestWrong(t *testing.T) {
	t.Parallel()
	var e *protocol.Error
	if err := wrong(fmt.Errorf("store: %w", auth.ErrUnknownDevice)); !errors.As(err, &e) || e.Message != "unknown deviceId" {
		t.Errorf("got %v", err)
	}
	disk := errors.New("the disk is full")
	if err := wrong(disk); !errors.Is(err, disk) || errors.As(err, &e) && e.Message == disk.Error() {
		t.Errorf("got %v", err)
	}
}
