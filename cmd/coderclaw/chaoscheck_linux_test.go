package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/handoff"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// chaosSlack is what a supervisor may have more of than before: connections of
// whoever looks, and threads that the runtime starts when the machine is busy.
const chaosSlack = 8

// chaosStorms is how often as much more may be needed as chaosSlack does not cover.
const chaosStorms = 5

// converge waits until every profile is as its inputs demand. One that was killed
// so often that it was given up is started by hand, as a person would.
func (c *chaos) converge(what string, cold bool) {
	c.Helper()
	c.until(what, func() string {
		now := c.ps()
		var wrong []string
		for _, s := range c.subjects {
			i := now[s.Name]
			if i.State == instance.Quarantined && s.wish == wantRunning && s.thief == nil {
				c.release(s, i)
			}
			if w := s.demand(i, cold); w != "" {
				wrong = append(wrong, w)
			}
		}
		return strings.Join(wrong, "\n")
	})
}

// release starts a profile that is quarantined, and complains if it has not been killed for it.
func (c *chaos) release(s *subject, i control.Instance) {
	c.Helper()
	c.Logf("%s: %s (%d kills)", s.Name, i.Reason, s.kills)
	if s.kills < instance.MaxTries {
		c.Errorf("%s is quarantined after %d kills: %s", s.Name, s.kills, i.Reason)
	}
	client, _, err := control.Find(s.Profile)
	if err == nil {
		err = client.Start(c.Context(), s.Name)
	}
	if err != nil {
		c.Errorf("start %s: %v", s.Name, err)
	}
}

// onlyTheTree looks that the processes of this home are the supervisor, one
// gateway for each profile that shows one, and what those have started.
func (c *chaos) onlyTheTree() {
	c.Helper()
	c.until("only the tree is left", func() string {
		now := c.ps()
		gateways, tags := map[int]string{}, map[string]bool{}
		for name, i := range now {
			if i.PID != 0 {
				gateways[i.PID] = name
				tags[handoff.EnvInstance+"="+i.ID] = true
			}
		}
		all, err := proctable.WithEnv([]string{"HOME=" + c.home})
		if err != nil {
			return err.Error()
		}
		for pid := range gateways {
			if _, alive := all[pid]; !alive {
				return fmt.Sprintf("gateway pid %d of %s is not to be found", pid, gateways[pid])
			}
		}
		for pid := range all {
			p, err := proctable.Get(pid)
			if err != nil || pid == c.cmd.Process.Pid || gateways[pid] != "" {
				continue
			}
			ours := false
			for tag := range tags {
				ours = ours || proctable.HasEnv(pid, tag)
			}
			if gateway := strings.Contains(strings.Join(p.Argv, " "), "gateway run"); gateway || !ours {
				return fmt.Sprintf("pid %d, child of %d, should not be: %q", pid, p.PPID, p.Argv)
			}
		}
		return ""
	})
}

func (c *chaos) nothingIsLeft() {
	c.Helper()
	c.until("nothing is left", func() string {
		left, err := proctable.WithEnv([]string{"HOME=" + c.home})
		if err != nil {
			return err.Error()
		}
		for pid := range left {
			if p, err := proctable.Get(pid); err == nil {
				return fmt.Sprintf("pid %d, child of %d: %q", pid, p.PPID, p.Argv)
			}
		}
		return ""
	})
}

// noBugIsLogged looks for what no mischief may bring about.
func (c *chaos) noBugIsLogged() {
	c.Helper()
	logs := []string{c.log}
	for _, s := range c.subjects {
		more, err := filepath.Glob(filepath.Join(s.LogDir(), "*.log"))
		if err != nil {
			c.Fatal(err)
		}
		logs = append(logs, more...)
	}
	for _, path := range logs {
		text := c.read(path)
		for _, bug := range []string{"DATA RACE", "panic: ", "fatal error: ", "this is a bug"} {
			if at := bytes.Index(text, []byte(bug)); at >= 0 {
				c.Errorf("%s tells of a bug:\n%s", path, text[at:min(len(text), at+4000)])
			}
		}
	}
}

// noGrowth looks that deaths and restarts cost the supervisor no descriptor and no thread.
// A thread that the runtime has started stays, and a slow disk makes it start some; so
// there may be more than before, but not more and more.
func (c *chaos) noGrowth() {
	c.Helper()
	c.storm()
	files, threads := c.uses()
	for range chaosStorms {
		c.storm()
		c.storm()
		f, t := c.uses()
		if f <= files+chaosSlack && t <= threads+chaosSlack {
			c.Logf("%d descriptors and %d threads", f, t)
			return
		}
		c.Logf("%d descriptors and %d threads, %d and %d before", f, t, files, threads)
		files, threads = f, t
	}
	c.Error("descriptors or threads grow with each storm")
}

// storm restarts every gateway that serves, kills it, and waits until all is well again.
func (c *chaos) storm() {
	c.Helper()
	var wg sync.WaitGroup
	for _, s := range c.subjects {
		if s.wish != wantRunning || s.thief != nil {
			continue
		}
		wg.Go(func() {
			client, _, err := control.Find(s.Profile)
			if err != nil {
				c.Errorf("%s: %v", s.Name, err)
				return
			}
			err = client.Restart(c.Context(), s.Name)
			if (err == nil) == s.bad {
				c.Errorf("restart of %s, whose config is bad: %v; got %v", s.Name, s.bad, err)
			}
		})
	}
	wg.Wait()
	for _, s := range c.subjects {
		c.signal(s, syscall.SIGKILL)
	}
	c.converge("all is well after a storm", false)
}

// uses counts the supervisor's descriptors and threads.
func (c *chaos) uses() (files, threads int) {
	c.Helper()
	for dir, n := range map[string]*int{"fd": &files, "task": &threads} {
		list, err := os.ReadDir(fmt.Sprintf("/proc/%d/%s", c.cmd.Process.Pid, dir))
		if err != nil {
			c.Fatal(err)
		}
		*n = len(list)
	}
	return files, threads
}
