package profiles

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Limits are what the gateway of a profile may use and how it is watched. A zero
// value means the default of whoever applies it, or no limit.
type Limits struct {
	MemorySoft   int64         // bytes; above it the gateway is drained and replaced
	MemoryHard   int64         // bytes; above it the gateway is killed
	PidsMax      int           // threads of the gateway and all that it starts
	LogBudget    int64         // bytes of all its log files
	StartTimeout time.Duration // from start to ready
	ProbeEvery   time.Duration // between two looks
	ProbeTimeout time.Duration // of one question
	ProbeMisses  int           // unanswered questions in a row after which it is killed
}

// limitKeys are the keys of the file that become Limits.
type limitKeys struct {
	MemorySoft   string `toml:"memory_soft,omitempty"`
	MemoryHard   string `toml:"memory_hard,omitempty"`
	PidsMax      int    `toml:"pids_max,omitempty"`
	LogBudget    string `toml:"log_budget,omitempty"`
	StartTimeout string `toml:"start_timeout,omitempty"`
	ProbeEvery   string `toml:"probe_every,omitempty"`
	ProbeTimeout string `toml:"probe_timeout,omitempty"`
	ProbeMisses  int    `toml:"probe_misses,omitempty"`
}

// Bounds of the limits. A gateway needs some memory and threads to start at all; a
// probe more often than each second would be what keeps a gateway busy.
const (
	minMemory = 32 << 20
	minPids   = 32
	minLogs   = 1 << 20
	minTime   = time.Second
	maxTime   = time.Hour
	maxMisses = 100
)

// parse returns the limits, or the key that is wrong and why.
func (k limitKeys) parse() (l Limits, key string, err error) {
	for _, f := range []struct {
		key, text string
		least     int64
		into      *int64
	}{
		{"memory_soft", k.MemorySoft, minMemory, &l.MemorySoft},
		{"memory_hard", k.MemoryHard, minMemory, &l.MemoryHard},
		{"log_budget", k.LogBudget, minLogs, &l.LogBudget},
	} {
		if f.text == "" {
			continue
		}
		if *f.into, err = parseSize(f.text); err == nil && *f.into < f.least {
			err = fmt.Errorf("%q is less than %d bytes, with which nothing works", f.text, f.least)
		}
		if err != nil {
			return l, f.key, err
		}
	}
	for _, f := range []struct {
		key, text string
		into      *time.Duration
	}{
		{"start_timeout", k.StartTimeout, &l.StartTimeout},
		{"probe_every", k.ProbeEvery, &l.ProbeEvery},
		{"probe_timeout", k.ProbeTimeout, &l.ProbeTimeout},
	} {
		if f.text == "" {
			continue
		}
		if *f.into, err = time.ParseDuration(f.text); err != nil || *f.into < minTime || *f.into > maxTime {
			return l, f.key, fmt.Errorf("%q is no time from %s to %s, such as \"30s\"", f.text, minTime, maxTime)
		}
	}
	switch l.PidsMax, l.ProbeMisses = k.PidsMax, k.ProbeMisses; {
	case k.PidsMax != 0 && k.PidsMax < minPids:
		return l, "pids_max", fmt.Errorf("%d is less than %d, with which no gateway starts", k.PidsMax, minPids)
	case k.ProbeMisses < 0 || k.ProbeMisses > maxMisses:
		return l, "probe_misses", fmt.Errorf("%d is no number from 1 to %d", k.ProbeMisses, maxMisses)
	case l.MemorySoft != 0 && l.MemoryHard != 0 && l.MemorySoft > l.MemoryHard:
		return l, "memory_soft", fmt.Errorf("%q is above memory_hard, %q", k.MemorySoft, k.MemoryHard)
	}
	return l, "", nil
}

// parseSize reads "300MB", "1.5GiB" or a plain number of bytes: KB, MB and GB are
// powers of 1000, KiB, MiB and GiB of 1024.
func parseSize(s string) (int64, error) {
	number := strings.TrimRight(s, "BKMGi")
	units := map[string]float64{"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
	unit, known := units[s[len(number):]]
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !known || !(n > 0) || n*unit > 1<<50 || strings.Trim(number, "0123456789.") != "" {
		return 0, fmt.Errorf("%q is no size such as \"300MB\" or \"1GiB\"", s)
	}
	return int64(n * unit), nil
}

// DefaultLogBudget bounds the log files of a profile unless it says otherwise.
const DefaultLogBudget = 256 << 20

// Logs is the disk that the log files may take, in bytes.
func (l Limits) Logs() int64 { return cmp.Or(l.LogBudget, DefaultLogBudget) }
