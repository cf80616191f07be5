package supervisor

import "golang.org/x/sys/unix"

// descriptorsEach is how many descriptors a profile takes while its child lives: lock,
// listener, hand-off, output and pidfd; and descriptorsElse is how many the rest takes.
const (
	descriptorsEach = 5
	descriptorsElse = 64
)

// makeRoom has the kernel make the table of descriptors as large as that many profiles
// take. It would grow by doubling, and each time whoever opens something meanwhile
// waits for as long as the start of ten children takes, for all processors to have
// let go of the old one. Here that happens once, beside whatever else is done. A table
// that cannot be had now grows later.
func makeRoom(profiles int) {
	// Of the numbers from there on the first free one is taken, whatever is open by now.
	if fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, profiles*descriptorsEach+descriptorsElse); err == nil {
		_ = unix.Close(fd)
	}
}
