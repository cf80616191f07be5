package profiles_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/profiles"
)

func TestLimits(t *testing.T) {
	t.Parallel()
	r, _, err := registry(t, `[profiles.dev]
memory_soft = "300MB"
memory_hard = "1.5GiB"
pids_max = 100
log_budget = "64MiB"
start_timeout = "2m"
probe_every = "3s"
probe_timeout = "1s"
probe_misses = 5
`)
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Get("dev")
	want := profiles.Limits{MemorySoft: 300e6, MemoryHard: 3 << 29, PidsMax: 100, LogBudget: 64 << 20, StartTimeout: 2 * time.Minute,
		ProbeEvery: 3 * time.Second, ProbeTimeout: time.Second, ProbeMisses: 5}
	if err != nil || p.Limits != want {
		t.Errorf("got %+v, %v", p.Limits, err)
	}
	for line, want := range map[string]string{
		`memory_soft = "300"`:                          "memory_soft: ",
		`memory_hard = "lots"`:                         `memory_hard: "lots" is no size such as`,
		`memory_hard = "1e9"`:                          `memory_hard: "1e9" is no size`,
		`memory_hard = "-1GB"`:                         `memory_hard: "-1GB" is no size`,
		"memory_soft = \"2GB\"\nmemory_hard = \"1GB\"": `memory_soft: "2GB" is above memory_hard, "1GB"`,
		`pids_max = 3`:                                 "pids_max: 3 is less than 32",
		`probe_every = "10ms"`:                         `probe_every: "10ms" is no time from 1s to 1h0m0s`,
		`probe_misses = -1`:                            "probe_misses: -1 is no number from 1 to 100",
		`start_timeout = "soon"`:                       "start_timeout: ",
		`limitKeys = 1`:                                `unknown key "profiles.dev.limitKeys"; known are [profiles.NAME] with port,`,
	} {
		_, _, err := registry(t, "[profiles.dev]\n"+line)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", line, err, want)
		}
	}
}
