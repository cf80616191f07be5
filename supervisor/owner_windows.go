package supervisor

import (
	"os"

	"golang.org/x/sys/windows"

	"github.com/coderclaw/coderclaw/profiles"
)

const errReadOnly = windows.ERROR_WRITE_PROTECT

// ownStateDir accepts every state dir: access is the system's business here.
func ownStateDir(profiles.Profile, int) error { return nil }

func ownPrivate(info os.FileInfo, _ int) bool { return info.IsDir() }

func ownership(string) string { return "has access rules" }

func me() string { return "this user" }
