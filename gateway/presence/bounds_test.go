package presence

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// TestEntryIsBounded: whatever a client says of itself when it connects, and however often
// something else, little of it is kept: everybody is sent the whole list.
func TestEntryIsBounded(t *testing.T) {
	t.Parallel()
	p := New(Self{Host: "h"}, time.Now)
	long := strings.Repeat("é", 30_000)
	for i := range 100 {
		var names []string
		for k := range 60 {
			names = append(names, fmt.Sprintf("%d.%d", i, k))
		}
		s := &rpc.Session{ID: "c", Role: protocol.RoleOperator, Scopes: names, Client: protocol.ClientInfo{ID: "cli", Mode: "ui", DisplayName: long, Version: long,
			Platform: long, DeviceFamily: long, ModelIdentifier: long, InstanceID: long}}
		p.Connected(s)
		p.said(protocol.SystemEventParams{Text: "x", InstanceID: long, Roles: names, Scopes: names})
	}
	if list := p.List(); len(list) != 2 || len(list[1].Scopes) != maxList || len(list[1].Roles) != maxList {
		t.Errorf("%d entries, the newest has %d scopes and %d roles", len(list), len(list[1].Scopes), len(list[1].Roles))
	}
	if n := len(p.Encoded()); n > 16<<10 {
		t.Errorf("%d bytes are kept", n)
	}
}
