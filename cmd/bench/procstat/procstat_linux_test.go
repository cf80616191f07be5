package procstat

import (
	"os"
	"testing"
)

func TestSelf(t *testing.T) {
	t.Parallel()
	pid := os.Getpid()
	pss, private, err := Memory(pid)
	if err != nil {
		t.Fatal(err)
	}
	if private <= 0 || pss < private {
		t.Errorf("PSS %v MB, private %v MB", pss, private)
	}
	a, err := Read(pid)
	if err != nil {
		t.Fatal(err)
	}
	if a.Threads < 1 || a.CPU <= 0 || a.Switches < 1 {
		t.Errorf("a process that runs shows %+v", a)
	}
}
