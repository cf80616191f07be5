package config

import "github.com/coderclaw/coderclaw/profiles"

// Placement is one directory or file that Setup would make or change.
type Placement struct {
	Path string
	Dir  bool
	Data []byte // content of a file
	// Versions are, of the config alone, its contents from what it is now (nil when
	// there is none) to Data. Each differs from the one before in one value, which
	// Set names in the same order; a whole new file sets several at once.
	Versions [][]byte
	Set      []string
}

// Outline is what Setup would do, as data, in the order in which it would: what is
// there already is left out. secret stands for the credential that Setup makes.
// Nothing is changed.
func Outline(p profiles.Profile, o SetupOptions, secret string) ([]Placement, error) {
	o.secret = func() string { return secret }
	plan, err := planSetup(p, o, thisHost())
	if err != nil {
		return nil, err
	}
	var out []Placement
	for _, s := range plan {
		if s.do != nil {
			out = append(out, s.placed)
		}
	}
	return out, nil
}
