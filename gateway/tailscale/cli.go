// Package tailscale owns what the gateway has Tailscale do: say who an address of
// the tailnet belongs to, and publish the gateway's port. It talks to the program
// tailscale alone, which is the same on all systems and for all rights that a user
// may have, and not to the daemon's socket. It decides on nobody's access.
package tailscale

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"
)

// CLI runs the program. It is safe for concurrent use.
type CLI struct {
	Program string // a path, or a name that is looked for in PATH; "" for tailscale where it usually is
}

// errNotInstalled says that there is no such program.
var errNotInstalled = errors.New("tailscale is not installed: there is no program tailscale in PATH")

// Bounds on what the program says: an answer of whois is 2 to 10 kB.
const (
	maxOutput = 1 << 20
	maxWords  = 400 // of an error
)

// pipeGrace is how long the output of a program that was ended is waited for.
const pipeGrace = time.Second

// inApp is where the app of macOS keeps the program, which is not in PATH.
const inApp = "/Applications/Tailscale.app/Contents/MacOS/Tailscale"

// run returns what the program printed on stdout.
func (c CLI) run(ctx context.Context, args ...string) ([]byte, error) {
	program := c.Program
	if program == "" {
		program = "tailscale"
	}
	path, err := exec.LookPath(program)
	if err != nil && c.Program == "" {
		if _, statErr := os.Stat(inApp); statErr == nil {
			path, err = inApp, nil
		}
	}
	if err != nil {
		return nil, errNotInstalled
	}
	var stdout, stderr capped
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = pipeGrace
	err = cmd.Run()
	line := "tailscale " + strings.Join(args, " ")
	switch {
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return nil, fmt.Errorf("%s: no answer in time%s", line, said(stdout.Bytes(), stderr.Bytes()))
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w; if the gateway's isolation hides it, add its directory to allow of the profile", err)
	case err != nil:
		return nil, fmt.Errorf("%s: %w%s", line, err, said(stderr.Bytes(), stdout.Bytes()))
	}
	return stdout.Bytes(), nil
}

// said is what the program printed, for an error: it tells there what to do.
func said(texts ...[]byte) string {
	for _, text := range texts {
		words := strings.Join(strings.Fields(string(text)), " ")
		if len(words) > maxWords {
			words = strings.ToValidUTF8(words[:maxWords], "") + "…"
		}
		if words != "" {
			return ": " + words
		}
	}
	return ""
}

// capped keeps the beginning of what is written to it.
type capped struct{ bytes.Buffer }

func (c *capped) Write(p []byte) (int, error) {
	if room := maxOutput - c.Len(); room > 0 {
		c.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// Whois returns the login name of the user whose machine has the address.
func (c CLI) Whois(ctx context.Context, ip netip.Addr) (string, error) {
	raw, err := c.run(ctx, "whois", "--json", ip.String())
	if err != nil {
		return "", err
	}
	var who struct {
		UserProfile struct{ LoginName string }
	}
	if err := json.Unmarshal(raw, &who); err != nil {
		return "", fmt.Errorf("tailscale whois %s: its answer is no JSON: %w", ip, err)
	}
	return strings.TrimSpace(who.UserProfile.LoginName), nil
}
