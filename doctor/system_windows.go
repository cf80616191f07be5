package doctor

import "io/fs"

// writable is not told beforehand here.
func writable(string) error { return nil }

// executable tells whether this user may start the program: here the name decides.
func executable(string, fs.FileInfo) bool { return true }
