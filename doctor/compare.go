package doctor

import "slices"

// Left tells whether a finding counts as something left.
func (f Finding) Left() bool { return !f.Repaired && f.Severity != Info }

// Compare joins what was found before a repair with what is found after it:
// what is gone counts as repaired, what is new is appended.
func Compare(before, after []Finding) []Finding {
	same := func(a, b Finding) bool { return a.Code == b.Code && a.Key == b.Key && a.Path == b.Path }
	out := slices.Clone(before)
	for i, f := range out {
		out[i].Repaired = f.Severity != Info && !slices.ContainsFunc(after, func(g Finding) bool { return same(f, g) })
	}
	for _, g := range after {
		if !slices.ContainsFunc(before, func(f Finding) bool { return same(f, g) }) {
			out = append(out, g)
		}
	}
	return out
}
