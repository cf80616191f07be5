package servicegen

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Each file of testdata/launchctl/cases is one story of what launchd was seen to
// do, and what must be asked of it in that order. The story stands in # lines.
//
//	set plist=ours|old|none uid=N scope=user|system      before the first step
//	== VERB [fails: TEXT]                                install, uninstall or a verb of Host
//	ARGS -> CODE [-> OUTPUT]                             one exchange with launchctl
//	after plist=ours|old|none                            what stands on disk in the end
//
// The line "absent" stands for the three questions that find the job nowhere, and
// "absent CODE" for the same where there is no desktop session, which CODE says.
// $P is the path of the plist. OUTPUT may be "pid N" or "pid N FILE" for the print
// of a running job, or "waiting CODE" for one that is down and last exited so.
type launchCase struct {
	plist, after string
	uid          int
	scope        Scope
	steps        []launchStep
}

type launchStep struct {
	verb, fails string
	exchanges   []string
}

func readLaunchCase(t *testing.T, path string) launchCase {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := launchCase{plist: "ours", after: "ours", uid: 501, scope: ScopeUser}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		words := strings.Fields(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case words[0] == "set" || words[0] == "after":
			for _, w := range words[1:] {
				key, value, _ := strings.Cut(w, "=")
				switch {
				case words[0] == "after":
					c.after = value
				case key == "plist":
					c.plist = value
				case key == "scope":
					c.scope = Scope(value)
				case key == "uid":
					c.uid, _ = strconv.Atoi(value)
				default:
					t.Fatalf("%s: %s", path, line)
				}
			}
		case words[0] == "==":
			verb, fails, _ := strings.Cut(strings.TrimPrefix(line, "== "), " fails: ")
			c.steps = append(c.steps, launchStep{verb: verb, fails: fails})
		case words[0] == "absent":
			s := &c.steps[len(c.steps)-1]
			job, domain := "113", "0"
			if len(words) > 1 {
				job, domain = words[1], words[1]
			}
			s.exchanges = append(s.exchanges, "print gui/501/L -> "+job, "print user/501/L -> 113", "print gui/501 -> "+domain)
		default:
			s := &c.steps[len(c.steps)-1]
			s.exchanges = append(s.exchanges, line)
		}
	}
	return c
}

// player answers as launchctl did in a recorded step.
type player struct {
	*testing.T
	label, path string
	left        []string
	asked       []string
}

func (p *player) run(_ context.Context, args ...string) ([]byte, []byte, int, error) {
	line := strings.ReplaceAll(strings.ReplaceAll(strings.Join(args, " "), p.path, "$P"), p.label, "L")
	p.asked = append(p.asked, line)
	if len(p.left) == 0 {
		p.Errorf("after the end: launchctl %s", line)
		return nil, nil, 1, nil
	}
	parts := strings.SplitN(p.left[0], " -> ", 3)
	p.left = p.left[1:]
	if line != parts[0] {
		p.Errorf("launchctl %s, where the case has %s", line, parts[0])
		return nil, nil, 1, nil
	}
	code, err := strconv.Atoi(parts[1])
	if err != nil {
		p.Fatalf("%q: %v", parts, err)
	}
	if len(parts) < 3 {
		return nil, nil, code, nil
	}
	out := strings.Fields(parts[2])
	switch {
	case code != 0:
		return nil, []byte(parts[2]), code, nil
	case out[0] == "pid":
		file := p.path
		if len(out) > 2 {
			file = out[2]
		}
		return []byte("x = {\n\tpath = " + file + "\n\tstate = running\n\tpid = " + out[1] + "\n}\n"), nil, 0, nil
	case out[0] == "waiting":
		return []byte("x = {\n\tpath = " + p.path + "\n\tstate = waiting\n\tlast exit code = " + out[1] + "\n}\n"), nil, 0, nil
	case out[0] == "disabled":
		return []byte("disabled services = {\n\t\"" + p.label + "\" => disabled\n}\n"), nil, 0, nil
	}
	p.Fatalf("what is %q?", parts[2])
	return nil, nil, 0, nil
}

func TestLaunchdStories(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/launchctl/cases/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			c := readLaunchCase(t, file)
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) { c.play(t, dir) })
		})
	}
}

func (c launchCase) play(t *testing.T, dir string) {
	o := options(FormatLaunchd)
	o.Scope = c.scope
	p := profile("default")
	p.StateDir = filepath.Join(dir, "state")
	s := ForProfile(p, o)
	s.StopTimeout = 45 * time.Second
	u := s.Unit(dir)
	u.Spec = s
	ours, err := s.Render()
	if err != nil {
		t.Fatal(err)
	}
	before := s
	before.Exec = append([]string(nil), s.Exec...)
	before.Exec[0] = "/old/coderclaw"
	old, err := before.Render()
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string][]byte{"ours": ours, "old": old}
	if c.plist != "none" {
		if err := os.WriteFile(u.Path, texts[c.plist], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pl := &player{T: t, label: u.Name, path: u.Path}
	h := NewLaunchctl(HostOptions{UID: c.uid, Run: pl.run})
	for _, step := range c.steps {
		pl.left = step.exchanges
		err := doLaunchVerb(t, h, u, s, step.verb)
		if (err == nil) != (step.fails == "") || (err != nil && !strings.Contains(err.Error(), step.fails)) {
			t.Errorf("%s: got %v, want %q", step.verb, err, step.fails)
		}
		if len(pl.left) > 0 {
			t.Fatalf("%s: launchctl was not asked: %q", step.verb, pl.left)
		}
	}
	now, err := os.ReadFile(u.Path)
	if (err != nil) != (c.after == "none") || (err == nil && !bytes.Equal(now, texts[c.after])) {
		t.Errorf("the plist is not %s: %v\n%s", c.after, err, now)
	}
}

func doLaunchVerb(t *testing.T, h Host, u Unit, s Spec, verb string) error {
	t.Helper()
	switch verb {
	case "install":
		_, err := Install(t.Context(), h, u, s, InstallOptions{})
		return err
	case "uninstall":
		_, err := Uninstall(t.Context(), h, u, UninstallOptions{})
		return err
	case "start":
		return h.Start(t.Context(), u)
	case "stop":
		return h.Stop(t.Context(), u)
	case "restart":
		return h.Restart(t.Context(), u)
	}
	t.Fatalf("what is %s?", verb)
	return nil
}
