package instance

import (
	"fmt"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// classify fills in the class of an exit from its status, its signal, and
// whether we had asked for it.
func classify(e Exit, asked bool) Exit {
	switch {
	case asked && e.Signal == "SIGKILL":
		e.Class = ClassKilled // by us: it did not end within the grace
	case asked || e.Code == int(exitcode.OK):
		e.Class = ClassClean
	case e.Code == int(exitcode.Config):
		e.Class = ClassConfig
	case e.Code == int(exitcode.Busy):
		e.Class = ClassPort
	case e.Code == int(exitcode.Auth):
		e.Class = ClassAuth
	case e.OOM && e.Signal == "SIGKILL":
		e.Class = ClassOOM
	case e.Signal == "SIGKILL" || e.Signal == "SIGTERM":
		e.Class = ClassKilled
	default:
		e.Class = ClassCrash
	}
	return e
}

// words say how a child ended, for people: "exited 3 (crash) before it was ready".
func (e Exit) words() string {
	text := fmt.Sprintf("exited %d (%s)", e.Code, e.Class)
	if e.Signal != "" {
		text = fmt.Sprintf("killed by %s (%s)", e.Signal, e.Class)
	}
	if e.Fast {
		text += " before it was ready"
	}
	return text
}

// code is the exit code of a command that waited for a child that ended so.
func (e Exit) code() exitcode.Code {
	switch e.Class {
	case ClassConfig:
		return exitcode.Config
	case ClassPort:
		return exitcode.Busy
	case ClassAuth:
		return exitcode.Auth
	}
	return exitcode.Failed
}
