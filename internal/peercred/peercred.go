// Package peercred owns the question who is at the other end of a unix socket.
// It decides nothing about what that peer may do.
package peercred

// Cred is what the kernel says of a peer, as it was when it connected.
type Cred struct {
	UID uint32
	PID int
}
