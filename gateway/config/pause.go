package config

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// parsePause reads a pause as people write it into the file: a number with a unit
// (ms, s, m, h or d), minutes without one.
func parsePause(text string) (time.Duration, bool) {
	number := strings.ToLower(strings.TrimSpace(text))
	unit := time.Minute
	for _, u := range []struct {
		suffix string
		worth  time.Duration
	}{{"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}} {
		if rest, found := strings.CutSuffix(number, u.suffix); found {
			number, unit = strings.TrimSpace(rest), u.worth
			break
		}
	}
	if strings.Trim(number, "0123456789.") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n*float64(unit) > maxMillis*float64(time.Millisecond) {
		return 0, false
	}
	return time.Duration(math.Round(n * float64(unit))), true
}

func checkPause(n *node) (string, string) {
	if _, ok := parsePause(n.text); ok {
		return "", ""
	}
	return "must be a duration, is " + describe(n), "write a number and ms, s, m, h or d, for example 30m"
}
