package servicegen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// Runner runs one launchctl command and returns what it printed and its exit
// code. err is set only when the command could not be run at all.
type Runner func(ctx context.Context, args ...string) (stdout, stderr []byte, code int, err error)

// ExecRunner runs the launchctl at path; "" means /bin/launchctl.
func ExecRunner(path string) Runner {
	if path == "" {
		path = "/bin/launchctl"
	}
	return func(ctx context.Context, args ...string) ([]byte, []byte, int, error) {
		var stdout, stderr bytes.Buffer
		cmd := exec.CommandContext(ctx, path, args...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		err := cmd.Run()
		if e, ok := errors.AsType[*exec.ExitError](err); ok && ctx.Err() == nil {
			return stdout.Bytes(), stderr.Bytes(), e.ExitCode(), nil
		}
		if err != nil {
			return stdout.Bytes(), stderr.Bytes(), -1, fmt.Errorf("run %s: %w", path, err)
		}
		return stdout.Bytes(), stderr.Bytes(), 0, nil
	}
}

// Exit codes of launchctl that decide something.
const (
	codeIO         = 5   // bootstrap: the label is still being torn down
	codeUnderway   = 36  // bootout: the operation is now in progress
	codeInProgress = 37  // the operation is already in progress
	codeNoDomain   = 112 // no such domain: nobody is logged in at the desktop
	codeNoService  = 113 // no such job in that domain
	codeBadDomain  = 125 // the domain does not do that: ssh or sudo without a desktop
	codeNotLoaded  = 3   // bootout: no such process
)

// LaunchctlError is a launchctl command that failed.
type LaunchctlError struct {
	Args []string
	Code int
	Text string // what it printed
}

func (e *LaunchctlError) Error() string {
	text := fmt.Sprintf("launchctl %s: exit code %d: %s", strings.Join(e.Args, " "), e.Code, e.Text)
	if e.Args[0] != "bootstrap" {
		return text
	}
	switch e.Code {
	case codeIO, codeInProgress:
		text += "; launchd still holds the label, or refuses the file (see: plutil -lint " + e.Args[2] + ")"
	case codeNoDomain, codeBadDomain:
		text += "; that session takes no services: log in at the desktop and try again, or install with --system"
	}
	return text
}

// do runs a command that must succeed.
func (h *Launchctl) do(ctx context.Context, args ...string) ([]byte, error) {
	stdout, stderr, code, err := h.run(ctx, args...)
	if err != nil {
		return nil, err
	}
	if code != 0 {
		text := strings.TrimSpace(string(stderr))
		if text == "" {
			text = strings.TrimSpace(string(stdout))
		}
		return stdout, &LaunchctlError{Args: args, Code: code, Text: text}
	}
	return stdout, nil
}

// failedWith tells whether err is a launchctl command that ended with one of codes.
func failedWith(err error, codes ...int) bool {
	e, ok := errors.AsType[*LaunchctlError](err)
	return ok && slices.Contains(codes, e.Code)
}
