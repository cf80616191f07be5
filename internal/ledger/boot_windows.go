package ledger

// bootID is the same after each start: a start time counts from 1970 here, so
// that it tells processes of two boots apart on its own.
func bootID() (string, error) { return "windows", nil }

func groupOf(int) int { return 0 }
