package buildinfo_test

import (
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/internal/buildinfo"
)

func TestVersion(t *testing.T) {
	t.Parallel()
	if v := buildinfo.Version(); v == "" || strings.ContainsAny(v, " \n") {
		t.Errorf("version %q", v)
	}
	if c := buildinfo.Commit(); strings.ContainsAny(c, " \n") {
		t.Errorf("commit %q", c)
	}
}
