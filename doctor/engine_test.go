package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/internal/swapfile"
)

// TestRepairAndUndo breaks a machine in every way, mends it, finds nothing to do
// afterwards, and puts everything back to the byte, and then forth again.
func TestRepairAndUndo(t *testing.T) {
	t.Parallel()
	for _, b := range breakages() {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			if err := b.do(m); err != nil {
				t.Fatal(err)
			}
			broken := m.tree(t, false)
			looked := m.tree(t, true)
			o := Observe(t.Context(), m.Target)
			found := Examine(m.Target, o)
			if !slices.Contains(codes(found), b.code) {
				t.Fatalf("found %v, want %s", codes(found), b.code)
			}
			if plan, err := MakePlan(m.Target, o, found, PlanOptions{}); err != nil || plan.Empty() != b.force {
				t.Fatalf("a plan without force: %+v, %v", plan, err)
			}
			if d := differing(looked, m.tree(t, true)); d != nil {
				t.Fatalf("looking and planning has written: %q", d)
			}
			m.applied(t, b.force)
			if left := slices.DeleteFunc(m.examine(t), func(f Finding) bool { return !f.Repairable }); len(left) > 0 {
				t.Errorf("left: %+v", left)
			}
			mended, settled := m.tree(t, false), m.tree(t, true)
			if out, err := m.repair(t.Context(), b.force, nil); err != nil || len(out) > 0 {
				t.Errorf("a second repair: %+v, %v", out, err)
			}
			if d := differing(settled, m.tree(t, true)); d != nil {
				t.Errorf("a second repair has written: %q", d)
			}
			m.undone(t, "")
			if d := differing(broken, m.tree(t, false)); d != nil {
				t.Errorf("the undo leaves differences: %q", d)
			}
			list, err := Journals(m.Target)
			if err != nil || len(list) != 2 || list[0].UndoneBy != list[1].ID || list[1].Of != list[0].ID {
				t.Fatalf("journals: %+v, %v", list, err)
			}
			if _, err := UndoPlan(m.Target, Observe(t.Context(), m.Target), "", false); !errors.Is(err, ErrNothingToUndo) {
				t.Errorf("a second undo: %v", err)
			}
			if _, err := UndoPlan(m.Target, Observe(t.Context(), m.Target), list[0].ID, false); !errors.Is(err, ErrUndone) {
				t.Errorf("an undo of what is undone: %v", err)
			}
			if b.fresh {
				m.noSecret(t)
				return
			}
			m.undone(t, list[1].ID)
			if d := differing(mended, m.tree(t, false)); d != nil {
				t.Errorf("the undo of the undo leaves differences: %q", d)
			}
		})
	}
}

// applied repairs, and expects one outcome without a word of trouble.
func (m machine) applied(t *testing.T, force bool) Outcome {
	t.Helper()
	out, err := m.repair(t.Context(), force, nil)
	if err != nil || len(out) != 1 || out[0].Result != Applied || out[0].Why != "" {
		t.Fatalf("the repair: %+v, %v", out, err)
	}
	return out[0]
}

func (m machine) undone(t *testing.T, id string) {
	t.Helper()
	o := Observe(t.Context(), m.Target)
	plan, err := UndoPlan(m.Target, o, id, false)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := Apply(t.Context(), m.Target, o, plan); err != nil || out.Result != Applied || out.Why != "" || out.Kind != KindUndo {
		t.Fatalf("the undo: %+v, %v", out, err)
	}
}

// noSecret looks for secrets in everything that doctor keeps.
func (m machine) noSecret(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(m.Profile.StateDir, "doctor"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte("planted-secret")) || longHex(text) {
			t.Errorf("%s holds a secret:\n%s", path, text)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// longHex finds a token as setup makes them: 48 hexadecimal digits and not the 64 of a hash.
func longHex(text []byte) bool {
	for word := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }) {
		if len(word) == 48 {
			return true
		}
	}
	return false
}

// TestPlanShowsNoSecret: neither the plan's JSON nor its diff tells what is secret in a file.
func TestPlanShowsNoSecret(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	err := errors.Join(rewritten(m, "[Service]", "[Service]\nEnvironment=CODERCLAW_GATEWAY_TOKEN=planted-1 \"OPENAI_API_KEY=planted-2 planted-3\"\nEnvironment='X_SECRET=planted-4'"),
		os.WriteFile(m.Profile.ConfigPath, []byte("{ env: { vars: { A: 'planted-5' } } }"), 0o600), os.Chmod(m.Profile.ConfigPath, 0o644))
	if err != nil {
		t.Fatal(err)
	}
	o := Observe(t.Context(), m.Target)
	plan, err := MakePlan(m.Target, o, Examine(m.Target, o), PlanOptions{})
	if err != nil || plan.Empty() {
		t.Fatal(plan, err)
	}
	text, err := json.Marshal(plan)
	if err != nil || bytes.Contains(text, []byte("planted")) {
		t.Errorf("%v\n%s", err, text)
	}
	for _, want := range []string{"gateway.auth.token", "CODERCLAW_GATEWAY_TOKEN=(secret)", "from 0644 to 0600"} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the plan lacks %q:\n%s", want, text)
		}
	}
	again, err := MakePlan(m.Target, o, Examine(m.Target, o), PlanOptions{})
	second, _ := json.Marshal(again)
	if err != nil || !bytes.Equal(text, second) {
		t.Errorf("the same observation gives another plan:\n%s\n%s", text, second)
	}
	m.applied(t, false)
	// What is not ours in a unit is for a person to move.
	if found := m.examine(t); !slices.Equal(codes(found), []Code{UnitSecret, UnitSecret}) || found[0].Key != "OPENAI_API_KEY" || found[1].Key != "X_SECRET" || found[0].Repairable {
		t.Errorf("left: %+v", found)
	}
}

// TestOnly: what is not asked for is not touched.
func TestOnly(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if err := errors.Join(rewritten(m, "KillMode=mixed", "KillMode=process"), os.Chmod(m.Profile.ConfigPath, 0o644), os.Remove(m.wantLink())); err != nil {
		t.Fatal(err)
	}
	o := Observe(t.Context(), m.Target)
	for code, want := range map[Code][]string{
		ConfigMode:   {m.Profile.ConfigPath},
		UnitDisabled: {m.wantLink()},
		UnitKeyDrift: {m.Unit.Path},
		UnitFailed:   nil,
	} {
		plan, err := MakePlan(m.Target, o, Examine(m.Target, o), PlanOptions{Only: []Code{code}})
		var paths []string
		for _, s := range plan.Steps {
			for _, e := range s.Edits {
				paths = append(paths, e.Path)
			}
		}
		if err != nil || !slices.Equal(paths, want) {
			t.Errorf("only %s: %q, %v", code, paths, err)
		}
	}
}

// TestChangedMeanwhile: what was changed between the look and the repair is not
// written over, and nothing else is done either.
func TestChangedMeanwhile(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if err := errors.Join(rewritten(m, "KillMode=mixed", "KillMode=process"), os.Chmod(m.Profile.ConfigPath, 0o644)); err != nil {
		t.Fatal(err)
	}
	o := Observe(t.Context(), m.Target)
	plan, err := MakePlan(m.Target, o, Examine(m.Target, o), PlanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := rewritten(m, "[Service]", "[Service]\nNice=3"); err != nil {
		t.Fatal(err)
	}
	before := m.tree(t, false)
	out, err := Apply(t.Context(), m.Target, o, plan)
	changed, ok := errors.AsType[*swapfile.ChangedError](err)
	if !ok || changed.Path != m.Unit.Path || out.ID != "" {
		t.Errorf("%+v, %v", out, err)
	}
	if d := differing(before, m.tree(t, false)); d != nil {
		t.Errorf("written: %q", d)
	}
}

// TestChangedInTheMidst: an edit that comes while a repair is under way stays, and
// what the repair has done so far is put back.
func TestChangedInTheMidst(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if err := errors.Join(rewritten(m, "KillMode=mixed", "KillMode=process"), os.Chmod(m.Profile.ConfigPath, 0o644)); err != nil {
		t.Fatal(err)
	}
	var before map[string]string
	out, err := m.repair(t.Context(), false, func(point string) {
		if point == "journalled" {
			if err := rewritten(m, "[Service]", "[Service]\nNice=3"); err != nil {
				t.Error(err)
			}
			before = m.tree(t, false)
		}
	})
	if err != nil || len(out) != 1 || out[0].Result != RolledBack || !strings.Contains(out[0].Why, m.Unit.Path) {
		t.Errorf("%+v, %v", out, err)
	}
	if d := differing(before, m.tree(t, false)); d != nil {
		t.Errorf("left: %q", d)
	}
	m.applied(t, false)
	if text, err := os.ReadFile(m.Unit.Path); err != nil || !strings.Contains(string(text), "Nice=3") {
		t.Errorf("%v\n%s", err, text)
	}
}

// TestUndoConflict: a file that was changed since is named and kept, unless force is used.
func TestUndoConflict(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if err := errors.Join(rewritten(m, "KillMode=mixed", "KillMode=process"), os.Chmod(m.Profile.ConfigPath, 0o644)); err != nil {
		t.Fatal(err)
	}
	broken := m.tree(t, false)
	m.applied(t, false)
	if err := rewritten(m, "[Service]", "[Service]\nNice=3"); err != nil {
		t.Fatal(err)
	}
	o := Observe(t.Context(), m.Target)
	_, err := UndoPlan(m.Target, o, "", false)
	conflict, ok := errors.AsType[*ConflictError](err)
	if !ok || len(conflict.Changed) != 1 || conflict.Changed[0].Path != m.Unit.Path || !strings.Contains(err.Error(), m.Unit.Path) {
		t.Fatalf("%v", err)
	}
	plan, err := UndoPlan(m.Target, o, "", true)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := Apply(t.Context(), m.Target, o, plan); err != nil || out.Result != Applied {
		t.Fatalf("%+v, %v", out, err)
	}
	if d := differing(broken, m.tree(t, false)); d != nil {
		t.Errorf("the undo leaves differences: %q", d)
	}
}

// TestWorseIsPutBack: a service that ran before a repair and does not start after
// it gets back what it had.
func TestWorseIsPutBack(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	err := errors.Join(rewritten(m, "KillMode=mixed", "KillMode=process"), m.Reload(t.Context(), m.Unit), m.Start(t.Context(), m.Unit), m.put("refuse", "all but what it runs now"))
	if err != nil {
		t.Fatal(err)
	}
	before := m.tree(t, false)
	out, err := m.repair(t.Context(), false, nil)
	if err != nil || len(out) != 1 || out[0].Result != RolledBack || out[0].Why == "" {
		t.Errorf("%+v, %v", out, err)
	}
	if d := differing(before, m.tree(t, false)); d != nil {
		t.Errorf("left: %q", d)
	}
	if _, err := UndoPlan(m.Target, Observe(t.Context(), m.Target), "", false); !errors.Is(err, ErrNothingToUndo) {
		t.Errorf("an undo of what was put back: %v", err)
	}
}

// TestForeignJournal: a journal that doctor did not write is never carried out. A
// gateway can write to its state dir.
func TestForeignJournal(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if err := rewritten(m, "KillMode=mixed", "KillMode=process"); err != nil {
		t.Fatal(err)
	}
	id := m.applied(t, false).ID
	dir := filepath.Join(journalDir(m.Target), id)
	plan, err := os.ReadFile(filepath.Join(dir, "plan.json"))
	if err != nil {
		t.Fatal(err)
	}
	evil := bytes.ReplaceAll(plan, []byte(m.Unit.Path), []byte(filepath.Join(m.home, "evil")))
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "plan.json"), evil, 0o600), os.Truncate(filepath.Join(dir, "log"), 0)); err != nil {
		t.Fatal(err)
	}
	before := m.tree(t, true)
	out, err := Recover(t.Context(), m.Target)
	if len(out) > 0 || err == nil || !strings.Contains(err.Error(), m.KeyFile) {
		t.Errorf("recovered: %+v, %v", out, err)
	}
	if _, err := UndoPlan(m.Target, Observe(t.Context(), m.Target), id, true); err == nil {
		t.Error("it is undone")
	}
	if d := differing(before, m.tree(t, true)); d != nil {
		t.Errorf("written: %q", d)
	}
	// A content that was exchanged is not taken either.
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "plan.json"), plan, 0o600), os.WriteFile(filepath.Join(dir, "new-0"), []byte("evil"), 0o600),
		rewritten(m, "KillMode=mixed", "KillMode=process")); err != nil {
		t.Fatal(err)
	}
	if out, err = Recover(t.Context(), m.Target); err != nil || len(out) != 1 || out[0].Result != RolledBack {
		t.Errorf("recovered: %+v, %v", out, err)
	}
}

// TestLinkInTheWay: journals are not written to where a link leads.
func TestLinkInTheWay(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if err := errors.Join(rewritten(m, "KillMode=mixed", "KillMode=process"), os.Symlink(m.home, filepath.Join(m.Profile.StateDir, "doctor"))); err != nil {
		t.Fatal(err)
	}
	before := m.tree(t, false)
	if out, err := m.repair(t.Context(), false, nil); err == nil {
		t.Errorf("%+v", out)
	}
	if d := differing(before, m.tree(t, false)); d != nil {
		t.Errorf("written: %q", d)
	}
}

// TestPrune: of many journals the last are kept.
func TestPrune(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	var last string
	for range keepJournals + 3 {
		if err := rewritten(m, "KillMode=mixed", "KillMode=process"); err != nil {
			t.Fatal(err)
		}
		last = m.applied(t, false).ID
	}
	ids := journalIDs(journalDir(m.Target))
	if len(ids) != keepJournals || ids[len(ids)-1] != last {
		t.Errorf("%d are kept, the last of them %s", len(ids), ids[len(ids)-1])
	}
}

// TestTake: what an installation by force replaces is given back by an undo.
func TestTake(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	all := breakages()
	node := all[slices.IndexFunc(all, func(b breakage) bool { return b.code == UnitNode })]
	if err := errors.Join(node.do(m), os.Remove(m.wantLink())); err != nil {
		t.Fatal(err)
	}
	before := m.tree(t, false)
	taking, err := Take(t.Context(), m.Target, "take over")
	if err != nil {
		t.Fatal(err)
	}
	text, err := m.Spec.Render()
	if err := errors.Join(err, os.WriteFile(m.Unit.Path, text, 0o600), os.Symlink(m.Unit.Path, m.wantLink()),
		m.Reload(t.Context(), m.Unit), m.Restart(t.Context(), m.Unit), taking.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	m.undone(t, taking.ID())
	d := differing(before, m.tree(t, false))
	if d = slices.DeleteFunc(d, func(s string) bool { return strings.HasPrefix(s, "units: ") }); d != nil {
		t.Errorf("the undo leaves differences: %q", d)
	}
}

// TestTornLog: a line that a crash cut off in the log neither counts nor spoils the next.
func TestTornLog(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if err := rewritten(m, "KillMode=mixed", "KillMode=process"); err != nil {
		t.Fatal(err)
	}
	id := m.applied(t, false).ID
	log := filepath.Join(journalDir(m.Target), id, "log")
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	torn := text[:bytes.IndexByte(text, '\n')+20]
	if err := os.WriteFile(log, torn, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := Recover(t.Context(), m.Target)
	if err != nil || len(out) != 1 || out[0].Result != Applied || out[0].ID != id {
		t.Errorf("%+v, %v", out, err)
	}
	if out, err := Recover(t.Context(), m.Target); err != nil || len(out) != 0 {
		t.Errorf("again: %+v, %v", out, err)
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add([]byte(`{"time":"2026-11-29T00:00:00Z","step":0,"edit":0}` + "\n" + `{"step":1`))
	f.Add([]byte("\n\n{}\n"))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = readLog(text) })
}
