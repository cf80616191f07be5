package main

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/servicegen"
)

// maxExposure is that of a service of the machine.
const maxExposure = 2.5

// needAnalyze fails where CI should have installed what judges the units.
func needAnalyze(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("systemd-analyze is not installed")
	}
}

func TestShapes(t *testing.T) {
	t.Parallel()
	needAnalyze(t)
	all, err := judge(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reasons := 0
	for _, v := range all {
		if len(v.said) > 0 {
			t.Errorf("%s: verify says %q", v.shape.Name, v.said)
		}
		if strings.HasSuffix(v.shape.Spec.Name, ".socket") {
			continue
		}
		exposure, err := strconv.ParseFloat(v.exposure, 64)
		if err != nil {
			t.Errorf("%s: exposure %q", v.shape.Name, v.exposure)
		}
		if v.shape.Spec.Scope != servicegen.ScopeSystem {
			continue
		}
		if exposure > maxExposure {
			t.Errorf("%s: exposure %v, want at most %v; counted are %q", v.shape.Name, exposure, maxExposure, v.counted)
		}
		for _, name := range v.counted {
			reasons++
			if servicegen.Reason(name) == "" {
				t.Errorf("%s: there is no reason why %s is left out", v.shape.Name, name)
			}
		}
	}
	if reasons == 0 {
		t.Error("systemd-analyze counts nothing, which cannot be")
	}
}

func TestPrints(t *testing.T) {
	t.Parallel()
	needAnalyze(t)
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"SHAPE", "system, as root", "silent", "PrivateUsers: "} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing in:\n%s", want, out.String())
		}
	}
}
