package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Variables that make this test binary a doctor that is killed at a certain point.
const (
	crashHome = "DOCTOR_TEST_HOME"
	crashAt   = "DOCTOR_TEST_CRASH_AT" // counts from 1
	crashVerb = "DOCTOR_TEST_VERB"     // "repair", "force" or "undo"
)

func TestMain(m *testing.M) {
	if home := os.Getenv(crashHome); home != "" {
		if err := crashing(home); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// crashing is the doctor that is killed.
func crashing(home string) error {
	at, err := strconv.Atoi(os.Getenv(crashAt))
	if err != nil {
		return err
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	m, ctx, n := machineAt(home), context.Background(), 0
	die := func(string) {
		if n++; n == at {
			_ = self.Kill()
			select {} // the signal is on its way
		}
	}
	if verb := os.Getenv(crashVerb); verb != "undo" {
		_, err := m.repair(ctx, verb == "force", die)
		return err
	}
	o := Observe(ctx, m.Target)
	plan, err := UndoPlan(m.Target, o, "", false)
	if err != nil {
		return err
	}
	_, err = apply(ctx, m.Target, o, plan, die)
	return err
}

// killed runs doctor until the point number at, and tells whether it came so far.
func (m machine) killed(t *testing.T, verb string, at int) bool {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), crashHome+"="+m.home, crashAt+"="+strconv.Itoa(at), crashVerb+"="+verb)
	out, err := cmd.CombinedOutput()
	exit, died := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return false
	case died && exit.ExitCode() == -1:
		return true
	}
	t.Fatalf("doctor: %v\n%s", err, out)
	return false
}

// maxPoints is beyond what any run has.
const maxPoints = 60

// TestKilledAnywhere kills a repair, and then an undo, at each of their points. No
// file is ever anything but what it was or is to be, whole; and the next repair,
// killed once more on the way, brings the machine to what one repair would have.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	for i, b := range breakages() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			verb := "repair"
			if b.force {
				verb = "force"
			}
			twin := newMachine(t)
			if err := b.do(twin); err != nil {
				t.Fatal(err)
			}
			broken := twin.tree(t, false)
			twin.applied(t, b.force)
			mended := twin.tree(t, false)
			for _, first := range []string{verb, "undo"} {
				if first == "undo" && i%3 != 0 && !b.fresh {
					continue // their edits are of the same kinds as those of others
				}
				for at := 1; ; at++ {
					if at > maxPoints {
						t.Fatalf("%s has more than %d points", first, maxPoints)
					}
					m := newMachine(t)
					if err := b.do(m); err != nil {
						t.Fatal(err)
					}
					if first == "undo" {
						m.applied(t, b.force)
					}
					if !m.killed(t, first, at) {
						break
					}
					m.whole(t, fmt.Sprintf("%s killed at %d", first, at), b, broken, mended)
					if at%3 == 0 && m.killed(t, verb, at%7+1) {
						m.whole(t, fmt.Sprintf("%s killed at %d, and again at %d", first, at, at%7+1), b, broken, mended)
					}
					if _, err := m.repair(t.Context(), b.force, nil); err != nil {
						t.Fatal(err)
					}
					if d := b.differing(mended, m.tree(t, false)); len(d) > 0 {
						t.Errorf("%s killed at %d: a repair leaves differences: %q", first, at, d)
					}
					if left := m.examine(t); len(left) > 0 {
						t.Errorf("%s killed at %d: left: %+v", first, at, left)
					}
				}
			}
		})
	}
}

// differing is differing, apart from the secret that is made anew each time.
func (b breakage) differing(x, y map[string]string) []string {
	config := filepath.Join("s", "coderclaw.json")
	out := differing(x, y)
	for i, d := range out {
		if b.fresh && strings.HasPrefix(d, config+": ") && x[config] != "" && y[config] != "" {
			out = append(out[:i:i], out[i+1:]...)
			break
		}
	}
	return out
}

// whole looks at every file: it is as it was, or as it is to be.
func (m machine) whole(t *testing.T, when string, b breakage, broken, mended map[string]string) {
	t.Helper()
	for name, now := range m.tree(t, false) {
		base := filepath.Base(name)
		switch {
		case now == broken[name] || now == mended[name]:
		case strings.HasPrefix(base, ".coderclaw-") && strings.HasSuffix(base, ".tmp"): // beside it
		case b.fresh && base == "coderclaw.json":
			if text, err := os.ReadFile(m.Profile.ConfigPath); err != nil || !strings.HasSuffix(strings.TrimSpace(string(text)), "}") {
				t.Errorf("%s: %s is torn: %v\n%s", when, name, err, text)
			}
		case strings.HasPrefix(name, "manager"): // it has seen either
		default:
			t.Errorf("%s: %s is %s, was %s, is to be %s", when, name, now, broken[name], mended[name])
		}
	}
}

// TestKilledOnTheWayBack kills a repair that makes the service worse, at each of
// its points. The next one finds a manager that starts again.
func TestKilledOnTheWayBack(t *testing.T) {
	t.Parallel()
	for at := 1; ; at++ {
		if at > maxPoints {
			t.Fatalf("more than %d points", maxPoints)
		}
		m := newMachine(t)
		err := errors.Join(rewritten(m, "KillMode=mixed", "KillMode=process"), m.Reload(t.Context(), m.Unit), m.Start(t.Context(), m.Unit), m.put("refuse", "all but what it runs now"))
		if err != nil {
			t.Fatal(err)
		}
		broken := m.tree(t, false)
		if !m.killed(t, "repair", at) {
			break
		}
		out, err := Recover(t.Context(), m.Target)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out {
			if o.Result != RolledBack || o.Why == "" {
				t.Errorf("killed at %d: %+v", at, o)
			}
		}
		if d := differing(broken, m.tree(t, false)); d != nil {
			t.Errorf("killed at %d: left: %q", at, d)
		}
		if err := os.Remove(m.file("refuse")); err != nil {
			t.Fatal(err)
		}
		if _, err := m.repair(t.Context(), false, nil); err != nil {
			t.Fatal(err)
		}
		if left := m.examine(t); len(left) > 0 {
			t.Errorf("killed at %d: left: %+v", at, left)
		}
	}
}
