package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/coderclaw/coderclaw/internal/exitcode"
)

// parsePath splits a path as people type it: dots between keys, [i] or [key] for an
// item or a key, and a backslash that takes the next character literally. Empty
// segments are dropped. Errors are marked exitcode.Usage.
func parsePath(path string) ([]string, error) {
	var segments []string
	var cur strings.Builder
	flush := func() {
		if s := strings.TrimSpace(cur.String()); s != "" {
			segments = append(segments, s)
		}
		cur.Reset()
	}
	for i := 0; i < len(path); i++ {
		switch c := path[i]; c {
		case '\\':
			if i++; i < len(path) {
				cur.WriteByte(path[i])
			}
		case '.':
			flush()
		case '[':
			flush()
			end := strings.IndexByte(path[i:], ']')
			if end < 0 {
				return nil, pathError(`Invalid path (missing "]"): %s`, path)
			}
			cur.WriteString(path[i+1 : i+end])
			if strings.TrimSpace(cur.String()) == "" {
				return nil, pathError(`Invalid path (empty "[]"): %s`, path)
			}
			flush()
			i += end
		default:
			cur.WriteByte(c)
		}
	}
	flush()
	if len(segments) == 0 {
		//lint:ignore ST1005 the text is fixed from outside; scripts match it
		return nil, exitcode.With(exitcode.Usage, errors.New("Path is empty."))
	}
	return segments, nil
}

func pathError(format string, args ...any) error {
	return exitcode.With(exitcode.Usage, fmt.Errorf(format, args...))
}

// Get returns the value at path after includes, variables and defaults, with every
// secret replaced by the Sentinel; false when there is none. Numbers are float64.
func (s *Snapshot) Get(path string) (any, bool, error) {
	segments, err := parsePath(path)
	if err != nil {
		return nil, false, err
	}
	v, ok := descend(s.View(), segments)
	if !ok {
		return nil, false, nil
	}
	return redactedAt(strings.Join(segments, "."), v), true, nil
}

// GetSecret is Get without redaction, for those that use the value instead of showing it.
func (s *Snapshot) GetSecret(path string) (any, bool, error) {
	segments, err := parsePath(path)
	if err != nil {
		return nil, false, err
	}
	v, ok := descend(s.View(), segments)
	return v, ok, nil
}

func descend(v any, segments []string) (any, bool) {
	for _, seg := range segments {
		switch at := v.(type) {
		case map[string]any:
			sub, ok := at[seg]
			if !ok {
				return nil, false
			}
			v = sub
		case []any:
			i, err := strconv.Atoi(seg)
			if err != nil || i < 0 || i >= len(at) {
				return nil, false
			}
			v = at[i]
		default:
			return nil, false
		}
	}
	return v, true
}

// Resolved returns the whole file after includes and variables, without defaults and
// with its secrets; an empty object when it does not exist or is not readable. The
// value is fresh for every call.
func (s *Snapshot) Resolved() map[string]any {
	if s.resolved != nil {
		if m, ok := s.resolved.any().(map[string]any); ok {
			return m
		}
	}
	return map[string]any{}
}

// View is Resolved with the defaults of the keys that this version acts on.
func (s *Snapshot) View() map[string]any {
	m := s.Resolved()
	cfg := s.Config
	port := cfg.Gateway.Port
	if port == 0 {
		port = s.port
	}
	fill(m, float64(port), "gateway", "port")
	fill(m, cfg.Gateway.Bind, "gateway", "bind")
	if limit := cfg.Gateway.Auth.RateLimit; limit != nil {
		fill(m, float64(limit.MaxAttempts), "gateway", "auth", "rateLimit", "maxAttempts")
		fill(m, float64(limit.Window.Milliseconds()), "gateway", "auth", "rateLimit", "windowMs")
		fill(m, float64(limit.Lockout.Milliseconds()), "gateway", "auth", "rateLimit", "lockoutMs")
		fill(m, limit.ExemptLoopback, "gateway", "auth", "rateLimit", "exemptLoopback")
	}
	fill(m, false, "gateway", "controlUi", "allowInsecureAuth")
	fill(m, false, "gateway", "controlUi", "dangerouslyDisableDeviceAuth")
	fill(m, []any{}, "gateway", "controlUi", "allowedOrigins")
	fill(m, []any{}, "gateway", "trustedProxies")
	fill(m, cfg.Gateway.TLS.Enabled, "gateway", "tls", "enabled")
	fill(m, cfg.Gateway.TLS.AutoGenerate, "gateway", "tls", "autoGenerate")
	fill(m, cfg.Logging.Level, "logging", "level")
	fill(m, cfg.Logging.ConsoleLevel, "logging", "consoleLevel")
	fill(m, false, "agents", "defaults", "skipBootstrap")
	if s.workspace != "" {
		fill(m, s.workspace, "agents", "defaults", "workspace")
	}
	return m
}

// fill puts v at keys unless something is there.
func fill(m map[string]any, v any, keys ...string) {
	last := len(keys) - 1
	for _, key := range keys[:last] {
		sub, exists := m[key]
		if !exists {
			sub = map[string]any{}
			m[key] = sub
		}
		next, ok := sub.(map[string]any)
		if !ok {
			return // a value of the wrong type; it is a problem already
		}
		m = next
	}
	if _, exists := m[keys[last]]; !exists {
		m[keys[last]] = v
	}
}
