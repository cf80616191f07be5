package ledger

import (
	"errors"
	"os"
	"strings"
	"sync"
)

// bootID is a random id that the kernel draws when it starts.
var bootID = sync.OnceValues(readBootID)

func readBootID() (string, error) {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(raw))
	if id == "" {
		return "", errors.New("the kernel shows an empty one")
	}
	return id, nil
}
