// Package systemdtest owns real, throw-away systemd managers for tests: a test
// runs again inside fresh namespaces, as an ordinary user beside a `systemd --user`
// with its bus and a journal of its own, which that user may read, or as root
// beside the manager of a whole machine, and everything is gone when it ends.
//
// A package that uses it calls Main in its TestMain, and Inside or InsideMachine
// at the top of a test. It needs Linux, root, cgroup v2, overlayfs and the Debian
// packages systemd, dbus, dbus-user-session and libpam-systemd. Where one is missing
// the test is skipped, and with CI set it fails.
//
// The root is an overlay of the host's, whose writes go to memory; /tmp, /run,
// /root and /dev start empty; the network has only lo. The package knows nothing
// of coderclaw.
package systemdtest
