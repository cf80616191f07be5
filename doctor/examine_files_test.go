package doctor

import (
	"os"
	"testing"
	"time"
)

func fileExams() []exam {
	file := func(c Code, mode os.FileMode, uid int) func(*testing.T, *Target, *Observation) {
		return func(_ *testing.T, g *Target, o *Observation) {
			o.Files = append(o.Files, FileFact{Path: g.Profile.StateDir + "/x", Code: c, Mode: mode, UID: uid})
		}
	}
	other := os.Getuid() + 1
	return []exam{
		{"private files", file(SecretMode, 0o600, os.Getuid()), nil},
		{"config open", func(t *testing.T, g *Target, o *Observation) {
			chmodPath(t, g.Profile.ConfigPath, 0o644)
			observeConfig(t.Context(), *g, o)
		}, []Code{ConfigMode}},
		{"config a directory", func(t *testing.T, g *Target, o *Observation) {
			if err := os.Remove(g.Profile.ConfigPath); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(g.Profile.ConfigPath, 0o755); err != nil {
				t.Fatal(err)
			}
			observeConfig(t.Context(), *g, o)
		}, []Code{ConfigInvalid}},
		{"state dir open", func(t *testing.T, g *Target, o *Observation) {
			chmodPath(t, g.Profile.StateDir, 0o755)
			observeConfig(t.Context(), *g, o)
		}, []Code{StateDirMode}},
		{".env open", file(EnvFileMode, 0o644, os.Getuid()), []Code{EnvFileMode}},
		{"identity open", file(SecretMode, 0o640, os.Getuid()), []Code{SecretMode}},
		{"log open", file(LogMode, 0o644, os.Getuid()), []Code{LogMode}},
		{"registry readable", file(RegistryMode, 0o644, os.Getuid()), nil},
		{"registry writable", file(RegistryMode, 0o664, os.Getuid()), []Code{RegistryMode}},
		{"of another user", file("", 0o600, other), []Code{FileOwner}},
		{"of another user and open", file(SecretMode, 0o666, other), []Code{FileOwner}},
		{"everything of another user", func(t *testing.T, g *Target, o *Observation) {
			o.StateDirUID = other
			file("", 0o600, other)(t, g, o)
		}, []Code{StateDirOwner}},
		{"no file", func(_ *testing.T, g *Target, o *Observation) {
			o.Files = append(o.Files, FileFact{Path: g.Profile.DesiredFile(), UID: -1, Odd: "a pipe"})
		}, []Code{NotRegular}},
		{"log dir unwritable", func(_ *testing.T, _ *Target, o *Observation) { o.Logs.Trouble = "permission denied" }, []Code{LogUnwritable}},
		{"logs over the default budget", func(_ *testing.T, _ *Target, o *Observation) { o.Logs.Bytes = 257 << 20 }, []Code{LogBudget}},
		{"logs over their budget", func(_ *testing.T, g *Target, o *Observation) {
			g.Profile.Limits.LogBudget, o.Logs.Bytes = 1<<20, 2<<20
		}, []Code{LogBudget}},
		{"disk low", func(_ *testing.T, _ *Target, o *Observation) { o.Space = SpaceFact{Free: 100 << 20, Total: 1 << 30} }, []Code{DiskLow}},
		{"disk tight", func(_ *testing.T, _ *Target, o *Observation) { o.Space = SpaceFact{Free: 4 << 30, Total: 100 << 30} }, []Code{DiskTight}},
		{"disk fine", func(_ *testing.T, _ *Target, o *Observation) {
			o.Space = SpaceFact{Free: 50 << 30, Total: 100 << 30, InodesFree: 5, Inodes: 100}
		}, nil},
		{"inodes low", func(_ *testing.T, _ *Target, o *Observation) {
			o.Space = SpaceFact{Free: 50 << 30, Total: 100 << 30, InodesFree: 5, Inodes: 10000}
		}, []Code{InodesLow}},
		{"clock never set", func(_ *testing.T, _ *Target, o *Observation) { o.Now = time.Unix(0, 0) }, []Code{ClockSkew}},
		{"log from the future", func(_ *testing.T, _ *Target, o *Observation) { o.Newest = TimeFact{"/x", o.Now.Add(time.Hour)} }, []Code{ClockSkew}},
		{"log from now", func(_ *testing.T, _ *Target, o *Observation) { o.Newest = TimeFact{"/x", o.Now.Add(time.Minute)} }, nil},
	}
}

func chmodPath(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
