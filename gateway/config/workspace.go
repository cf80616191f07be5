package config

import (
	"embed"
	"fmt"
	"path/filepath"
)

// templates are the first files of a workspace.
//
//go:embed templates/*.md
var templates embed.FS

// bootstrapDir is the directory of a workspace that holds them (spec/agent §6).
const bootstrapDir = ".coderclaw"

// workspaceFiles lists the first files of a workspace, in the order in which an agent reads them.
func workspaceFiles(workspace string) ([]plannedFile, error) {
	var out []plannedFile
	for _, name := range []string{"AGENTS.md", "SOUL.md", "TOOLS.md", "IDENTITY.md", "USER.md"} {
		text, err := templates.ReadFile("templates/" + name)
		if err != nil {
			return nil, fmt.Errorf("built-in %s: %w", name, err)
		}
		out = append(out, plannedFile{what: "workspace file", path: filepath.Join(workspace, bootstrapDir, name), data: text})
	}
	return out, nil
}
