//go:build unix && !linux

package instance

// becomesMain has nothing to do: this system has no Become.
func becomesMain() {}

func huntsMain() {}

// successorMain has nothing to do either.
func successorMain() {}
