package doctor

import (
	"errors"
	"fmt"
	"slices"

	"github.com/coderclaw/coderclaw/servicegen"
)

// permissionRemedies take from others what they should not have.
func permissionRemedies() []remedy {
	return []remedy{{
		codes: []Code{EnvFileMode, SecretMode, LogMode, RegistryMode, UnitMode},
		steps: func(_ Target, o Observation, found []Finding) ([]Step, error) {
			var out []Step
			for _, f := range found {
				s, err := o.at(f.Path)
				if err != nil {
					return nil, err
				}
				closed := s.Place.Mode.FileMode() &^ 0o022
				if f.Code != RegistryMode && f.Code != UnitMode {
					closed &^= 0o077
				}
				out = append(out, Step{What: fmt.Sprintf("close %s to others (%s)", f.Path, mode(closed)), Codes: []Code{f.Code}, Reversible: true, Edits: []Edit{s.Chmod(closed)}})
			}
			return out, nil
		},
	}}
}

// machineRemedies are those against what the user's services lack.
func machineRemedies() []remedy {
	return []remedy{{
		codes: []Code{LingerOff},
		steps: func(t Target, o Observation, found []Finding) ([]Step, error) {
			if t.Linger == nil {
				return nil, nil
			}
			steps := []Step{{What: "switch lingering of " + found[0].Key + " on", Actions: []Action{t.do(VerbLinger)}}}
			if errors.Is(o.StateErr, servicegen.ErrNoBus) && !t.blocked(o) { // the manager that comes of it starts the service, which is waited for
				steps = append(steps, t.runStep(VerbStart))
			}
			return steps, nil
		},
	}}
}

// ofFile keeps a remedy that writes the unit file from findings about drop-ins.
func ofFile(steps func(Target, Observation, []Finding) ([]Step, error)) func(Target, Observation, []Finding) ([]Step, error) {
	return func(t Target, o Observation, found []Finding) ([]Step, error) {
		found = slices.DeleteFunc(slices.Clone(found), func(f Finding) bool { return f.Aggressive })
		if len(found) == 0 {
			return nil, nil
		}
		return steps(t, o, found)
	}
}
