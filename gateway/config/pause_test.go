package config

import (
	"testing"
	"time"
)

func TestParsePause(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"30m": 30 * time.Minute, "1h": time.Hour, " 1.5 H ": 90 * time.Minute, "250ms": 250 * time.Millisecond, "2d": 48 * time.Hour,
		"0m": 0, "0": 0, "5": 5 * time.Minute, "10s": 10 * time.Second,
		"": -1, "m": -1, "1x": -1, "-1m": -1, "1e9": -1, "inf": -1, "nan": -1, "0x1": -1, "1.2.3m": -1, "1h30m": -1, "99999999999d": -1,
	} {
		got, ok := parsePause(text)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func FuzzParsePause(f *testing.F) {
	f.Add("30m")
	f.Add("1.5h")
	f.Fuzz(func(t *testing.T, text string) {
		if d, ok := parsePause(text); d < 0 || !ok && d != 0 {
			t.Errorf("%q: %v %v", text, d, ok)
		}
	})
}

func TestHeartbeatKeys(t *testing.T) {
	t.Parallel()
	c := load(t, write(t, "coderclaw.json", `{ agents: { defaults: { heartbeat: { every: "2h", target: "none", prompt: "Look.", ackMaxChars: 7 } } } }`), nil)
	if got, want := c.Config.Agents.Defaults.Heartbeat, (Heartbeat{"2h", 2 * time.Hour, "none", "Look.", 7}); got != want || len(c.Problems)+len(c.Warnings) > 0 {
		t.Errorf("got %+v, %v, %v", got, c.Problems, c.Warnings)
	}
	c = load(t, write(t, "coderclaw.json", `{}`), nil)
	if got, want := c.Config.Agents.Defaults.Heartbeat, (Heartbeat{"30m", 30 * time.Minute, "last", "", 300}); got != want {
		t.Errorf("unset: %+v", got)
	}
	c = load(t, write(t, "coderclaw.json", `{ agents: { defaults: { heartbeat: { every: "often" } } } }`), nil)
	if len(c.Problems) != 1 || c.Problems[0].Path != "agents.defaults.heartbeat.every" {
		t.Errorf("a pause that is none: %v", c.Problems)
	}
}
