package servicegen

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// forever is the canonical text of a time span without end.
const forever = "infinity"

// spanUnits are the units of systemd.time(7) that fit a time-out.
var spanUnits = map[string]time.Duration{
	"us": time.Microsecond, "usec": time.Microsecond, "µs": time.Microsecond, "μs": time.Microsecond,
	"ms": time.Millisecond, "msec": time.Millisecond,
	"s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second, "": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	"w": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour, "weeks": 7 * 24 * time.Hour,
}

// parseSpan reads a time span such as "45", "1min 30s" or "1.5h". A number
// without a unit counts seconds.
func parseSpan(s string) (time.Duration, error) {
	var total time.Duration
	rest := strings.Trim(s, wordSpace)
	if rest == "" {
		return 0, fmt.Errorf("empty time span")
	}
	for rest != "" {
		n := strings.IndexFunc(rest, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
		if n < 0 {
			n = len(rest)
		}
		value, err := strconv.ParseFloat(rest[:n], 64)
		if err != nil {
			return 0, fmt.Errorf("time span %q: want a number and a unit", s)
		}
		rest = strings.TrimLeft(rest[n:], wordSpace)
		n = strings.IndexAny(rest, "0123456789."+wordSpace)
		if n < 0 {
			n = len(rest)
		}
		unit, ok := spanUnits[rest[:n]]
		if !ok {
			return 0, fmt.Errorf("time span %q: unknown unit %q", s, rest[:n])
		}
		d := value * float64(unit)
		if d > float64(1<<62) || total+time.Duration(d) < total {
			return 0, fmt.Errorf("time span %q: too long", s)
		}
		total += time.Duration(d)
		rest = strings.TrimLeft(rest[n:], wordSpace)
	}
	return total, nil
}

// formatSpan writes d in the largest of s, ms and us that holds it whole.
func formatSpan(d time.Duration) string {
	switch {
	case d%time.Second == 0:
		return strconv.FormatInt(int64(d/time.Second), 10) + "s"
	case d%time.Millisecond == 0:
		return strconv.FormatInt(int64(d/time.Millisecond), 10) + "ms"
	}
	return strconv.FormatInt(int64(d/time.Microsecond), 10) + "us"
}

// canonicalSpan brings a span of a unit file into the form of formatSpan; what
// is no span stays as it is.
func canonicalSpan(s string) string {
	if strings.Trim(s, wordSpace) == forever {
		return forever
	}
	d, err := parseSpan(s)
	if err != nil {
		return s
	}
	return formatSpan(d)
}

// canonicalMicros does the same for a D-Bus property in microseconds.
func canonicalMicros(us uint64) string {
	if us > uint64(1<<62)/1000 {
		return forever
	}
	return formatSpan(time.Duration(us) * time.Microsecond)
}
