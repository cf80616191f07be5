// Package systemdtest owns a real, throw-away `systemd --user` manager for tests:
// a test runs again inside fresh namespaces, as an ordinary user, beside a
// manager, its bus and a journal of its own, which that user may read, and
// everything is gone when it ends.
//
// A package that uses it calls Main in its TestMain and Inside at the top of a
// test. It needs Linux, root, cgroup v2, overlayfs and the Debian packages
// systemd, dbus and dbus-user-session. Where one is missing the test is skipped,
// and with CI set it fails.
//
// The root is an overlay of the host's, whose writes go to memory; /tmp, /run,
// /root and /dev start empty; the network has only lo. The package knows nothing
// of coderclaw.
package systemdtest
