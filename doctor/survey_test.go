package doctor

import (
	"net"
	"reflect"
	"slices"
	"testing"

	"github.com/coderclaw/coderclaw/servicegen"
)

// TestSurvey: many at once are seen as one by one, each with the holder of its own port.
func TestSurvey(t *testing.T) {
	t.Parallel()
	var targets []Target
	for i, b := range breakages()[:8] {
		m := newMachine(t)
		if err := b.do(m); err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		m.Profile.Port = l.Addr().(*net.TCPAddr).Port
		if i%2 == 0 { // a manager of the kind that is asked for all its units at once, and is not there
			m.Host = servicegen.NewSystemd(servicegen.HostOptions{Scope: servicegen.ScopeUser, Env: func(string) (string, bool) { return t.TempDir(), true }})
		}
		targets = append(targets, m.Target)
	}
	for i, o := range Survey(t.Context(), targets) {
		one := Observe(t.Context(), targets[i])
		got, want := codes(Examine(targets[i], o)), codes(Examine(targets[i], one))
		if !slices.Equal(got, want) || !slices.Contains(got, PortHeld) {
			t.Errorf("%d: found %v together and %v alone", i, got, want)
		}
		if !reflect.DeepEqual(o.State, one.State) || !reflect.DeepEqual(o.Places, one.Places) {
			t.Errorf("%d: %+v together and %+v alone", i, o.State, one.State)
		}
	}
	if got := Survey(t.Context(), nil); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
}
