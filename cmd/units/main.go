// Command units renders every shape of systemd unit and has systemd-analyze judge
// it: what `verify` says, and how exposed `security` finds a service. It installs
// and changes nothing.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"

	"github.com/coderclaw/coderclaw/servicegen"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "units: %v\n", err)
		os.Exit(1)
	}
}

// verdict is what systemd-analyze finds out about one shape.
type verdict struct {
	shape    servicegen.Shape
	said     []string // by verify; nothing is best
	exposure string   // "" for a socket, which runs nothing
	counted  []string // what security counts against it, by name
}

// run prints the verdicts; it fails when verify has something to say.
func run(ctx context.Context, w io.Writer) error {
	all, err := judge(ctx)
	if err != nil {
		return err
	}
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "SHAPE\tVERIFY\tEXPOSURE")
	var bad []error
	for _, v := range all {
		said := "silent"
		if len(v.said) > 0 {
			said = strings.Join(v.said, "; ")
			bad = append(bad, fmt.Errorf("%s: %s", v.shape.Name, said))
		}
		exposure := v.exposure
		if exposure == "" {
			exposure = "-"
		}
		fmt.Fprintf(tab, "%s\t%s\t%s\n", v.shape.Name, said, exposure)
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	for _, v := range all {
		if v.shape.Spec.Hardening() == servicegen.HardenSystem {
			fmt.Fprintf(w, "\nWhat a service of the machine is left exposed by, and why:\n")
			for _, name := range v.counted {
				fmt.Fprintf(w, "  %s: %s\n", name, servicegen.Reason(name))
			}
			break
		}
	}
	return errors.Join(bad...)
}

func judge(ctx context.Context) ([]verdict, error) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		return nil, errors.New("systemd-analyze is needed; it comes with systemd")
	}
	home, err := os.MkdirTemp("", "units")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(home)
	exe, odd := filepath.Join(home, "bin", "coderclaw"), filepath.Join(home, `it's "a" 50%h $b\n`, "Größe", "coderclaw")
	for _, path := range []string{exe, odd} { // verify looks whether the program can be run
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
			return nil, err
		}
	}
	a := analyzer{analyze, home}
	var out []verdict
	for i, s := range servicegen.Shapes(home, exe, odd) {
		v, err := a.judge(ctx, s, filepath.Join(home, fmt.Sprint(i)))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		out = append(out, v)
	}
	return out, nil
}

type analyzer struct{ program, home string }

// judge writes the unit into a directory of its own, beside the one that it names.
func (a analyzer) judge(ctx context.Context, s servicegen.Shape, dir string) (verdict, error) {
	v := verdict{shape: s}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return v, err
	}
	texts := map[string]string{}
	text, err := s.Spec.Render()
	if err != nil {
		return v, err
	}
	file := filepath.Join(dir, s.Spec.Name)
	texts[file] = string(text)
	switch { // a socket without its service, or the other way about, is something to complain of
	case strings.HasSuffix(s.Spec.Name, ".socket"):
		texts[strings.TrimSuffix(file, ".socket")+".service"] = "[Service]\nExecStart=/bin/true\n"
	case s.Spec.Socket != "":
		texts[filepath.Join(dir, s.Spec.Socket)] = "[Socket]\nListenStream=1\n"
	}
	for path, text := range texts {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return v, err
		}
	}
	if v.said, err = a.verify(ctx, s.Spec.Scope, file, dir); err != nil || strings.HasSuffix(s.Spec.Name, ".socket") {
		return v, err
	}
	v.exposure, v.counted, err = a.security(ctx, s.Spec.Scope, file)
	return v, err
}

// verify returns what is said of the file; other units of the machine are read
// too, and are none of our business.
func (a analyzer) verify(ctx context.Context, scope servicegen.Scope, file, dir string) ([]string, error) {
	out, err := a.run(ctx, scope, dir, "verify", "--man=no", file)
	var said []string
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, dir) || strings.Contains(line, filepath.Base(file)) {
			said = append(said, strings.TrimSpace(line))
		}
	}
	if err != nil && len(said) == 0 && len(out) == 0 {
		return nil, err
	}
	return said, nil
}

var (
	overall = regexp.MustCompile(`Overall exposure level for .*: ([0-9.]+) `)
	counted = regexp.MustCompile(`(?m)^✗ (\S+) `)
)

func (a analyzer) security(ctx context.Context, scope servicegen.Scope, file string) (exposure string, names []string, err error) {
	out, err := a.run(ctx, scope, filepath.Dir(file), "security", "--offline=true", "--no-pager", file)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %s", err, out)
	}
	found := overall.FindSubmatch(out)
	if found == nil {
		return "", nil, fmt.Errorf("systemd-analyze security names no exposure: %s", out)
	}
	for _, m := range counted.FindAllSubmatch(out, -1) {
		names = append(names, strings.TrimSuffix(string(m[1]), "="))
	}
	return string(found[1]), names, nil
}

func (a analyzer) run(ctx context.Context, scope servicegen.Scope, dir string, args ...string) ([]byte, error) {
	if scope == servicegen.ScopeUser {
		args = append([]string{"--user"}, args...)
	}
	cmd := exec.CommandContext(ctx, a.program, args...)
	cmd.Env = []string{"HOME=" + a.home, "XDG_RUNTIME_DIR=" + a.home, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "SYSTEMD_UNIT_PATH=" + dir + ":"}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.Bytes(), err
}
