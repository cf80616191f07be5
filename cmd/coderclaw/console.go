package main

import (
	"os"

	"golang.org/x/term"
)

// colour tells whether log lines for people may carry colour: stderr is a
// terminal and NO_COLOR is not set.
func (a *app) colour() bool {
	if _, off := a.env("NO_COLOR"); off {
		return false
	}
	return isTerminal(a.stderr)
}

// isTerminal tells whether stream is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// terminalWidth is how many characters fit into a line of the terminal, 80 when
// it does not say.
func terminalWidth(stream any) int {
	if f, ok := stream.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}
