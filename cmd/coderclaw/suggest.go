package main

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v3"
)

// didYouMean is the end of the error about a word that c has no command for: what was
// probably meant, "" when nothing is near. It may be a command below another one.
func didYouMean(c *cli.Command, word string) string {
	var names []string
	for _, sub := range c.Commands {
		names = append(names, sub.Names()...)
	}
	if name := nearest(names, word); name != "" {
		return "; did you mean: " + c.FullName() + " " + name
	}
	whole := new(app).root() // that of c may be pruned
	if elsewhere := namedAnywhere(whole, whole.Name, word); len(elsewhere) == 1 {
		return "; did you mean: " + elsewhere[0]
	}
	return ""
}

// namedAnywhere lists the commands of that name below c, which is called path, whole.
func namedAnywhere(c *cli.Command, path, word string) []string {
	var found []string
	for _, sub := range c.Commands {
		if sub.HasName(word) {
			found = append(found, path+" "+sub.Name)
		}
		found = append(found, namedAnywhere(sub, path+" "+sub.Name, word)...)
	}
	return found
}

// undefined is how the library begins an error about a flag that is not there.
const undefined = "flag provided but not defined: -"

// didYouMeanFlag is didYouMean for the error about a flag of c.
func didYouMeanFlag(c *cli.Command, err error) string {
	word, ok := strings.CutPrefix(err.Error(), undefined)
	if !ok {
		return ""
	}
	var names []string
	for at := range slices.Values(c.Lineage()) {
		for _, f := range at.Flags {
			if local, ok := f.(cli.LocalFlag); at == c || !ok || !local.IsLocal() {
				names = append(names, f.Names()...)
			}
		}
	}
	if name := nearest(names, strings.TrimLeft(word, "-")); len(name) > 1 {
		return "; did you mean: --" + name
	}
	return ""
}

// nearest is the name with the fewest slips from word, "" when all are further away
// than two, or than a third of the word, or not shorter forms of it.
func nearest(names []string, word string) string {
	best, least := "", min(2, utf8.RuneCountInString(word)/3)+1
	for _, name := range names {
		if n := slips(name, word); n < least {
			best, least = name, n
		}
	}
	if best != "" || len(word) < 3 {
		return best
	}
	longer := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, word) })
	if len(longer) == 1 {
		return longer[0]
	}
	return ""
}

// slips counts the letters to add, drop, change or swap with the next that turn a into b.
func slips(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last := make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := range x {
		row := make([]int, len(y)+1)
		row[0] = i + 1
		for j := range y {
			change := 1
			if x[i] == y[j] {
				change = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+change)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(y)]
}
