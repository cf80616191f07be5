package gateway_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/gateway/client"
)

// TestEmptyListsAreLists: clients of the family walk the lists of a result without
// looking whether there is one.
func TestEmptyListsAreLists(t *testing.T) {
	t.Parallel()
	r := start(t)
	c, err := r.dial(t, client.Options{Token: secret, Identity: identity(t)})
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"device.pair.list", "node.pair.list", "node.list", "system-presence", "channels.status", "status", "health", "logs.tail"} {
		var raw json.RawMessage
		if err := c.Call(t.Context(), method, nil, &raw); err != nil {
			t.Fatalf("%s: %v", method, err)
		}
		for _, name := range []string{"pending", "paired", "nodes", "lines", "channelOrder", "agents", "recent", "paths"} {
			if strings.Contains(string(raw), `"`+name+`":null`) {
				t.Errorf("%s: %s is null", method, name)
			}
		}
	}
}
