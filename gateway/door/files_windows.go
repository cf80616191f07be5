package door

import (
	"errors"
	"math"
	"syscall"
)

// Files is how many files this process may have open; Windows sets no such limit.
func Files() int { return math.MaxInt32 }

const wsaEMFILE syscall.Errno = 10024 // winsock: too many open sockets

func outOfFiles(err error) bool { return errors.Is(err, wsaEMFILE) }
