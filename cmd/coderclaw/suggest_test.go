package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

func TestDidYouMean(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ line, want string }{
		{"helth", "; did you mean: coderclaw health (see: coderclaw --help)"},
		{"staus", "; did you mean: coderclaw status ("},
		{"device list", "; did you mean: coderclaw devices ("},
		{"gateway stauts", "; did you mean: coderclaw gateway status (see: coderclaw gateway --help)"},
		{"system heartbeat enabel", "; did you mean: coderclaw system heartbeat enable ("},
		{"probe", "; did you mean: coderclaw gateway probe ("},
		{"discover", "; did you mean: coderclaw gateway discover ("},
		{"gateway presence", "; did you mean: coderclaw system presence ("},
		{"presence", "; did you mean: coderclaw system presence ("},
		{"allowlist", "; did you mean: coderclaw approvals allowlist ("},
		{"dash", "; did you mean: coderclaw dashboard ("},
		{"status --jsn", "; did you mean: --json (see: coderclaw status --help)"},
		{"gateway call health --tokn x", "; did you mean: --token ("},
		{"health --prfile dev", "-prfile (see: "}, // --profile stands before the verb
	} {
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"coderclaw"}, strings.Fields(tc.line)...), os.LookupEnv, strings.NewReader(""), &stdout, &stderr)
		if code != exitcode.Usage || stdout.Len() > 0 || !strings.Contains(stderr.String(), tc.want) {
			t.Errorf("%s: exit %d, %s%s", tc.line, code, stdout.String(), stderr.String())
		}
	}
	for _, line := range []string{"nonsense", "x", "list", "gateway q", "status --qqq"} { // nothing is near, or much is
		var stdout, stderr bytes.Buffer
		code := run(t.Context(), append([]string{"coderclaw"}, strings.Fields(line)...), os.LookupEnv, strings.NewReader(""), &stdout, &stderr)
		if code != exitcode.Usage || strings.Contains(stderr.String(), "did you mean") {
			t.Errorf("%s: exit %d, %s", line, code, stderr.String())
		}
	}
}

func TestSlips(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"health", "helth", 1}, {"status", "stauts", 1}, {"open", "opne", 1}, {"ps", "up", 2}, {"über", "uber", 1}} {
		if got := slips(tc.a, tc.b); got != tc.want {
			t.Errorf("%q to %q: %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		if n := slips(a, b); n != slips(b, a) || (n == 0) != (strings.ToValidUTF8(a, "\uFFFD") == strings.ToValidUTF8(b, "\uFFFD")) {
			t.Errorf("%q to %q: %d, back %d", a, b, n, slips(b, a))
		}
	})
}
