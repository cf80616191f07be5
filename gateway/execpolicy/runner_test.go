package execpolicy

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestRunsAnything(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"/bin/sh": true, "/usr/bin/bash": true, "/usr/bin/python3.13": true, "/opt/node22": true, `C:\Windows\System32\cmd.exe`: true, `C:\x\PowerShell.EXE`: true, "/usr/bin/env": true,
		"/usr/bin/git": false, "/bin/ls": false, "/usr/bin/shred": false, "/opt/sh/tool": false, "/usr/bin/7z": false,
	} {
		if got := RunsAnything(path); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	link := filepath.Join(t.TempDir(), "harmless")
	target := filepath.Join(t.TempDir(), "bash")
	if err := os.WriteFile(target, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		if runtime.GOOS != "windows" {
			t.Fatal(err)
		}
		t.Skip("links take rights there: ", err)
	}
	if !RunsAnything(link) {
		t.Error("a link to a shell")
	}
}
