package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// TestDoctorInterrupted: who is stopped while looking says so, and does not call
// wrong what had no time left to answer.
func TestDoctorInterrupted(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"HOME": home}[name]
		return v, ok
	}
	for _, flags := range [][]string{nil, {"--json"}, {"--dry-run"}, {"--repair"}} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var stdout, stderr bytes.Buffer
		code := run(ctx, append([]string{"coderclaw", "doctor"}, flags...), env, strings.NewReader(""), &stdout, &stderr)
		if code != exitcode.Failed || stdout.Len() > 0 || !strings.Contains(stderr.String(), "nothing was changed") {
			t.Errorf("%v: exit %d, %q, %q", flags, code, stdout.String(), stderr.String())
		}
	}
}

// TestDoctorLastLine: --repair is named only where it mends something.
func TestDoctorLastLine(t *testing.T) {
	t.Parallel()
	for _, repairable := range []bool{false, true} {
		var stdout bytes.Buffer
		a := &app{stdout: &stdout}
		a.printFindings(doctorReport{Findings: []doctor.Finding{{Code: doctor.LingerOff, Severity: doctor.Warning, Repairable: repairable}}}, doctorFlags{})
		if strings.Contains(stdout.String(), "Mend what can be mended") != repairable {
			t.Errorf("%t: %s", repairable, stdout.String())
		}
	}
}
