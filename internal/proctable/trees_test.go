package proctable

import (
	"slices"
	"testing"
)

func TestTreesOfTable(t *testing.T) {
	t.Parallel()
	parents := map[int]int{1: 0, 10: 1, 11: 10, 12: 11, 20: 1, 30: 31, 31: 30, 40: 99}
	got := trees([]int{10, 12, 50}, parents)
	slices.Sort(got[10])
	if len(got) != 2 || !slices.Equal(got[10], []int{10, 11}) || !slices.Equal(got[12], []int{12}) {
		t.Errorf("got %v", got)
	}
}
