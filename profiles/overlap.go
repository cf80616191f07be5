package profiles

import "fmt"

// CollisionError says what two profiles would share. A is the one that was there.
type CollisionError struct {
	A, B   string // names
	Field  string // port block, config, state dir, workspace, service identity
	ValueA string
	ValueB string
}

func (e *CollisionError) Error() string {
	return fmt.Sprintf("the %s %s overlaps with the %s of profile %s, %s; give one of them another",
		e.Field, e.ValueB, e.Field, e.A, e.ValueA)
}

// overlap returns a *CollisionError when the profiles are not apart.
func overlap(a, b Profile) error {
	collide := func(field, va, vb string) error {
		return &CollisionError{A: a.Name, B: b.Name, Field: field, ValueA: va, ValueB: vb}
	}
	block := func(p Profile) string { return fmt.Sprintf("%d-%d", p.Port, p.Block().Last()) }
	nested := func(x, y string) bool { return SamePlace(x, y) || inside(x, y) || inside(y, x) }
	switch {
	case a.Name == b.Name || a.UnitName() == b.UnitName() || a.LaunchdLabel() == b.LaunchdLabel():
		return collide("service identity", a.UnitName(), b.UnitName())
	case a.Block().Overlaps(b.Block()):
		return collide("port block", block(a), block(b))
	case nested(a.StateDir, b.StateDir):
		return collide("state dir", a.StateDir, b.StateDir)
	case SamePlace(a.ConfigPath, b.ConfigPath):
		return collide("config", a.ConfigPath, b.ConfigPath)
	case nested(a.Workspace, b.Workspace):
		return collide("workspace", a.Workspace, b.Workspace)
	case inside(a.ConfigPath, b.Workspace) || SamePlace(a.ConfigPath, b.Workspace):
		return &CollisionError{A: a.Name, B: b.Name, Field: "place of the config or workspace", ValueA: a.ConfigPath, ValueB: b.Workspace}
	case inside(b.ConfigPath, a.Workspace) || SamePlace(b.ConfigPath, a.Workspace):
		return &CollisionError{A: a.Name, B: b.Name, Field: "place of the config or workspace", ValueA: a.Workspace, ValueB: b.ConfigPath}
	case nested(a.StateDir, b.Workspace):
		return &CollisionError{A: a.Name, B: b.Name, Field: "directory", ValueA: a.StateDir, ValueB: b.Workspace}
	case nested(a.Workspace, b.StateDir):
		return &CollisionError{A: a.Name, B: b.Name, Field: "directory", ValueA: a.Workspace, ValueB: b.StateDir}
	case inside(a.ConfigPath, b.StateDir):
		return collide("config", a.ConfigPath, b.StateDir)
	case inside(b.ConfigPath, a.StateDir):
		return collide("config", a.StateDir, b.ConfigPath)
	}
	return nil
}
