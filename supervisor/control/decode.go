package control

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coderclaw/coderclaw/instance"
)

// decodeStatus is json.Unmarshal, only faster for what Append of this version has made. The
// status keeps the whole text.
func decodeStatus(text string) (Status, error) {
	var s Status
	p := parser{rest: text}
	p.status(&s)
	if !p.failed && p.rest == "" {
		return s, nil
	}
	s = Status{}
	err := json.Unmarshal([]byte(text), &s)
	return s, err
}

// parser reads JSON in the very form in which this version writes it: no space, and each
// key in its place, if it is there at all. What it fails at is none the worse for that;
// the general parser reads it.
type parser struct {
	rest   string
	failed bool
}

func (p *parser) status(s *Status) {
	p.must(`{"supervisor":`)
	p.supervisor(&s.Supervisor)
	p.must(`,"started":`)
	s.Started = p.time()
	p.must(`,"origin":`)
	s.Origin = p.string()
	p.must(`,"instances":[`)
	s.Instances = make([]Instance, 0, len(s.Supervisor.Profiles))
	for !p.failed && !p.has("]") {
		if len(s.Instances) > 0 {
			p.must(",")
		}
		s.Instances = append(s.Instances, Instance{})
		p.instance(&s.Instances[len(s.Instances)-1])
	}
	p.must("}")
	p.has("\n")
}

func (p *parser) supervisor(s *Supervisor) {
	p.must(`{"pid":`)
	s.PID = p.int()
	p.must(`,"version":`)
	s.Version = p.string()
	p.must(`,"unit":`)
	s.Unit = p.string()
	p.must(`,"profiles":[`)
	s.Profiles = make([]string, 0, strings.Count(p.rest[:max(strings.IndexByte(p.rest, ']'), 0)], ",")+1)
	for !p.failed && !p.has("]") {
		if len(s.Profiles) > 0 {
			p.must(",")
		}
		s.Profiles = append(s.Profiles, p.string())
	}
	if p.has(`,"trees":`) {
		s.Trees = p.string()
	}
	if p.has(`,"generation":`) {
		s.Generation = p.int()
	}
	if p.has(`,"reexecError":`) {
		s.ReexecError = p.string()
	}
	p.must("}")
}

func (p *parser) instance(i *Instance) {
	p.must(`{"profile":`)
	i.Profile = p.string()
	p.must(`,"state":`)
	i.State = instance.State(p.string())
	p.must(`,"reason":`)
	i.Reason = p.string()
	p.must(`,"pid":`)
	i.PID = p.int()
	p.must(`,"port":`)
	i.Port = p.int()
	p.must(`,"url":`)
	i.URL = p.string()
	p.must(`,"since":`)
	i.Since = p.time()
	p.must(`,"restarts":`)
	i.Restarts = p.int()
	p.must(`,"lastExit":`)
	i.LastExit = p.exit()
	p.must(`,"supervisor":`)
	i.Supervisor = p.int()
	if p.has(`,"degraded":`) {
		i.Degraded = p.string()
	}
	if p.has(`,"lastGoodKept":`) {
		i.Kept = p.bool()
	}
	if p.has(`,"instance":`) {
		i.ID = p.string()
	}
	if p.has(`,"nextTry":`) {
		at := p.time()
		i.NextTry = &at
	}
	if p.has(`,"tries":`) {
		i.Tries = p.int()
	}
	if p.has(`,"deaths":{`) {
		i.Deaths = p.deaths()
	}
	p.must(`,"isolation":`)
	i.Isolation = p.string()
	if p.has(`,"group":`) {
		i.Group = p.string()
	}
	p.must("}")
}

func (p *parser) exit() *instance.Exit {
	if p.has("null") {
		return nil
	}
	e := new(instance.Exit)
	p.must(`{"class":`)
	e.Class = p.string()
	p.must(`,"code":`)
	e.Code = p.int()
	if p.has(`,"signal":`) {
		e.Signal = p.string()
	}
	p.must(`,"at":`)
	e.At = p.time()
	if p.has(`,"fast":`) {
		e.Fast = p.bool()
	}
	p.must("}")
	return e
}

// deaths reads the rest of an object.
func (p *parser) deaths() map[string]int {
	deaths := map[string]int{}
	for !p.failed && !p.has("}") {
		if len(deaths) > 0 {
			p.must(",")
		}
		class := p.string()
		p.must(":")
		deaths[class] = p.int()
	}
	return deaths
}

// has takes what is there, if it is.
func (p *parser) has(literal string) bool {
	rest, ok := strings.CutPrefix(p.rest, literal)
	p.rest = rest
	return ok
}

func (p *parser) must(literal string) {
	if !p.has(literal) {
		p.fail()
	}
}

// fail makes whatever follows fail too.
func (p *parser) fail() { p.rest, p.failed = "", true }

// token is the text between the quotes of a string; plain tells whether it stands for itself.
func (p *parser) token() (text string, plain bool) {
	p.must(`"`)
	plain = true
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			text, p.rest = p.rest[:i], p.rest[i+1:]
			return text, plain
		case c == '\\':
			i++ // whatever it is, it ends no string
			plain = false
		case c < ' ' || c >= utf8.RuneSelf:
			plain = false
		}
	}
	p.fail()
	return "", false
}

func (p *parser) string() string {
	text, plain := p.token()
	if plain || p.failed {
		return text
	}
	var s string
	if json.Unmarshal([]byte(`"`+text+`"`), &s) != nil {
		p.fail()
	}
	return s
}

func (p *parser) time() (t time.Time) {
	text, plain := p.token()
	if !plain || t.UnmarshalText([]byte(text)) != nil {
		p.fail()
	}
	return t
}

func (p *parser) bool() bool {
	if p.has("true") {
		return true
	}
	p.must("false")
	return false
}

func (p *parser) int() int {
	end := 0
	if strings.HasPrefix(p.rest, "-") {
		end = 1
	}
	first := end
	for end < len(p.rest) && p.rest[end] >= '0' && p.rest[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(p.rest[:end])
	if err != nil || p.rest[first] == '0' && end > first+1 {
		p.fail()
		return 0
	}
	p.rest = p.rest[end:]
	return n
}
