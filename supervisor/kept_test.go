package supervisor

import "testing"

// TestKept: what a child that is gone has left to do says nothing of its successor.
func TestKept(t *testing.T) {
	t.Parallel()
	var k kept
	first := k.began()
	if k.holds() {
		t.Error("before it is kept")
	}
	k.done(first)
	if !k.holds() {
		t.Error("kept")
	}
	second := k.began()
	k.done(first)
	if k.holds() {
		t.Error("kept by a child of before")
	}
	if k.done(second); !k.holds() {
		t.Error("kept by the second")
	}
}
