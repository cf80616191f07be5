package doctor

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/servicegen"
)

// KeepProgram returns t as a repair by a program must want it that will not stay
// where it lies, such as a build that was only tried: with the program that is
// installed, where that is ours, is there, and will stay. home is that of the person.
func KeepProgram(t Target, home string) Target {
	if len(t.Spec.Exec) == 0 || t.Unit.Path == "" {
		return t
	}
	if code, _ := placeOf(t.Spec.Exec[0], home); code == "" {
		return t
	}
	argv, _ := servicegen.CommandOf(t.Host.Format(), servicegen.Observe(t.Host.Format(), t.Unit.Path).Raw)
	if len(argv) == 0 || !strings.HasPrefix(filepath.Base(argv[0]), "coderclaw") {
		return t
	}
	if code, _ := placeOf(argv[0], home); code != "" {
		return t
	}
	if info, err := os.Stat(argv[0]); err != nil || !info.Mode().IsRegular() {
		return t
	}
	t.Spec.Exec = slices.Clone(t.Spec.Exec)
	t.Spec.Exec[0] = argv[0]
	return t
}
