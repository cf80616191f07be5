package gateway

import "testing"

// TestTrimmer: memory is given back when many clients have come or gone since the last
// time, and not when they have come and gone.
func TestTrimmer(t *testing.T) {
	t.Parallel()
	var trim trimmer
	defer trim.stop()
	for _, step := range []struct {
		clients int
		due     bool
	}{{1, false}, {trimCrowd - 1, false}, {trimCrowd, true}, {trimCrowd + 1, true}, {3, false}, {2 * trimCrowd, true}} {
		if trim.count(step.clients); (trim.due() != nil) != step.due {
			t.Errorf("%d clients: due %v", step.clients, !step.due)
		}
	}
	trim.run()
	if trim.count(trimCrowd + 1); trim.due() != nil {
		t.Error("due again although hardly anybody has gone")
	}
	if trim.count(0); trim.due() == nil {
		t.Error("not due although all have gone")
	}
}
