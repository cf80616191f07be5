//go:build unix

package proctable

import "syscall"

// InGroup finds the processes of a process group, zombies among them: their start
// times by pid.
func InGroup(pgid int) (map[int]uint64, error) {
	all, err := parents()
	if err != nil {
		return nil, err
	}
	found := map[int]uint64{}
	for pid := range all {
		if of, err := syscall.Getpgid(pid); err != nil || of != pgid {
			continue
		}
		if start, err := StartTime(pid); err == nil { // else it has ended meanwhile
			found[pid] = start
		}
	}
	return found, nil
}
