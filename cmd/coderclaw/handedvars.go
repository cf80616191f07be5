package main

import (
	"github.com/coderclaw/coderclaw/internal/handoff"
)

// takeVars adds the variables that a supervisor has handed to this command to
// those of the environment, which come first. Without any it does nothing.
func (a *app) takeVars() error {
	if text, ok := a.env(handoff.EnvVarsFD); !ok || text == "" {
		return nil
	}
	pipe, err := a.inheritedFD(handoff.EnvVarsFD)
	if err != nil {
		return err
	}
	defer pipe.Close()
	msg, err := handoff.Read(pipe)
	if err != nil {
		return err
	}
	environ := a.env
	a.env = func(name string) (string, bool) {
		if v, ok := environ(name); ok {
			return v, true
		}
		v, ok := msg.Env[name]
		return v, ok
	}
	return nil
}

// passedTo are the variables of the environment that the profile's pass_env names.
// A profile or registry that cannot be read gets none; whoever runs next says why.
func (a *app) passedTo(profile string) map[string]string {
	r, err := a.registry()
	if err != nil {
		return nil
	}
	p, err := r.Get(profile)
	if err != nil {
		return nil
	}
	out := map[string]string{}
	for _, name := range p.PassEnv {
		if v, ok := a.env(name); ok {
			out[name] = v
		}
	}
	return out
}
