package config

import "strings"

// nearest returns the key of keys that name most likely meant, "" when none is close.
func nearest(name string, keys []key) string {
	names := make([]string, 0, len(keys))
	for i := range keys {
		if keys[i].name != "*" {
			names = append(names, keys[i].name)
		}
	}
	return nearestText(name, names)
}

// nearestText returns the word within a third of its length in edits, letter case
// not counted; the first of several equally close ones.
func nearestText(name string, words []string) string {
	const longest = 64 // a key longer than this is no typing error
	if len(name) > longest {
		return ""
	}
	best, bestDist := "", len(name)+1
	for _, w := range words {
		d := distance(strings.ToLower(name), strings.ToLower(w))
		if d <= max(1, len(w)/3) && d < len(w) && d < bestDist {
			best, bestDist = w, d
		}
	}
	return best
}

// distance is the number of insertions, deletions, replacements and swaps of
// neighbours that turn a into b.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	prev2, prev, cur := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(x); i++ {
		cur[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(y)]
}
