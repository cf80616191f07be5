package main

import (
	"regexp"
	"strings"
	"sync"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/gateway/client"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/profiles"
)

// secrets are the texts that must not be in what a person pastes. It is safe for
// concurrent use.
type secrets struct {
	home string // is shortened to ~

	mu    sync.Mutex // guards what follows
	known []string
}

func (s *secrets) add(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range texts {
		if t == "" {
			continue
		}
		s.known = append(s.known, t)
		var quoted strings.Builder
		if err := writeJSONLine(&quoted, t); err == nil { // as it stands in JSON
			s.known = append(s.known, strings.TrimSuffix(quoted.String()[1:], "\"\n"))
		}
	}
}

// addAll takes the values of variables, which may all be secrets.
func (s *secrets) addAll(vars map[string]string) {
	for _, v := range vars {
		s.add(v)
	}
}

func (s *secrets) addConfig(gw config.Gateway) {
	s.add(gw.Auth.Token, gw.Auth.Password, gw.Remote.Token, gw.Remote.Password)
}

// addTokens takes what the gateway of p gave this device.
func (s *secrets) addTokens(p profiles.Profile) {
	if id, err := client.PeekIdentity(p.StateDir); err == nil {
		s.add(id.Token(protocol.RoleOperator), id.Token(protocol.RoleNode))
	}
}

// secretShapes are how secrets stand in logs and in JSON; those of command lines and
// variables are package doctor's.
var secretShapes = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)(\\?"[a-z0-9_.-]*(?:token|password|passphrase|secret|api_?key|authorization)\\?"\s*:\s*\\?"|\bbearer\s+|[?#&;](?:token|password|ticket|key)=)[^"\\\s&#;]+`)
})

// out is text without secrets.
func (s *secrets) out(text string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text = doctor.RedactText(text, s.known)
	text = secretShapes().ReplaceAllString(text, "${1}(redacted)")
	if len(s.home) > 1 {
		text = strings.ReplaceAll(text, s.home+"/", "~/")
	}
	return text
}
