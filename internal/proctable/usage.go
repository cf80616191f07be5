package proctable

// Trees returns, for each of roots that exists, the pids of it and of all that
// descends from it, from one pass over the table. A process below two roots counts
// for the nearer one.
func Trees(roots []int) (map[int][]int, error) {
	parents, err := parents()
	if err != nil {
		return nil, err
	}
	return trees(roots, parents), nil
}

func trees(roots []int, parents map[int]int) map[int][]int {
	isRoot := make(map[int]bool, len(roots))
	for _, r := range roots {
		isRoot[r] = true
	}
	out := make(map[int][]int, len(roots))
	for pid := range parents {
		at := pid
		for range maxDepth { // pids may be reused between two reads, so the map may hold a circle
			if isRoot[at] {
				out[at] = append(out[at], pid)
				break
			}
			parent, ok := parents[at]
			if !ok || parent == at {
				break
			}
			at = parent
		}
	}
	return out
}
