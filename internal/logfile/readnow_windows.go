package logfile

import "os"

func readNow(f *os.File, b []byte) (int, error) { return f.Read(b) }

func moreSoon(*os.File) bool { return false }
