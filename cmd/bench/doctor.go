//go:build unix

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/coderclaw/coderclaw/cmd/bench/launch"
	"github.com/coderclaw/coderclaw/gateway/config"
)

// manyProfiles is how many profiles the registry of doctorRow holds.
const manyProfiles = 50

// doctorRow has doctor plan over many profiles that are set up and do not run.
func (b *bench) doctorRow(ctx context.Context, bare float64) (row, error) {
	home := filepath.Join(b.dir, "many")
	var registry strings.Builder
	for i := range manyProfiles - 3 { // three are built in
		name := fmt.Sprintf("p%d", i)
		fmt.Fprintf(&registry, "[profiles.%s]\nport = %d\n", name, 20000+200*i)
		state := filepath.Join(home, ".coderclaw-"+name)
		if err := os.MkdirAll(filepath.Join(state, "workspace"), 0o700); err != nil {
			return row{}, err
		}
		if err := os.WriteFile(filepath.Join(state, "coderclaw.json"), config.Skeleton(launch.Token), 0o600); err != nil {
			return row{}, err
		}
	}
	path := filepath.Join(home, "profiles.toml")
	if err := os.WriteFile(path, []byte(registry.String()), 0o600); err != nil {
		return row{}, err
	}
	took, err := best(ctx, func(ctx context.Context) (time.Duration, error) {
		cmd := exec.CommandContext(ctx, b.product, "doctor", "--all", "--dry-run", "--json")
		cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "CODERCLAW_REGISTRY=" + path, "XDG_RUNTIME_DIR=" + filepath.Join(home, "none")}
		begin := time.Now()
		out, err := cmd.Output()
		took := time.Since(begin)
		if err != nil {
			err = fmt.Errorf("doctor over %d profiles: %w\n%s", manyProfiles, err, out)
		}
		return took, err
	})
	return row{fmt.Sprintf("doctor, %d profiles", manyProfiles), took, bare, "ms", 500}, err
}
