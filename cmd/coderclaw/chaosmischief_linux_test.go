package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// mischief is made of every kind, at random, for the time given.
func (c *chaos) mischief(length time.Duration) {
	kinds := []struct {
		name   string
		weight int
		do     func(*subject) bool // false when it could not be done now
	}{
		{"kill", 24, func(s *subject) bool { return c.signal(s, syscall.SIGKILL) }},
		{"hang", 6, func(s *subject) bool { return c.signal(s, syscall.SIGSTOP) }},
		{"tool", 12, func(s *subject) bool { return c.signal(s, syscall.SIGUSR2) }},
		{"break config", 9, c.breakConfig},
		{"mend config", 12, c.mendConfig},
		{"steal port", 20, c.steal},
		{"give port back", 8, c.leave},
		{"fill or empty disk", 3, c.turnDisk},
		{"restart", 8, func(s *subject) bool { return c.ask(s, wantRunning, wantRunning, (*control.Client).Restart) }},
		{"stop", 7, func(s *subject) bool { return c.ask(s, wantRunning, wantStopped, (*control.Client).Stop) }},
		{"start", 14, func(s *subject) bool { return c.ask(s, wantStopped, wantRunning, (*control.Client).Start) }},
		{"kill supervisor", 1, func(*subject) bool { return c.killSupervisor() }},
		{"replace supervisor", 2, c.replaceSupervisor},
	}
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	limit := time.NewTimer(length)
	defer limit.Stop()
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-limit.C:
			return
		case <-pause.C:
		}
		n := c.rand.IntN(total)
		for _, k := range kinds {
			if n -= k.weight; n < 0 {
				if k.do(c.subjects[c.rand.IntN(len(c.subjects))]) {
					c.acts[k.name]++
				}
				break
			}
		}
		c.mindSupervisor()
		pause.Reset(time.Duration(c.rand.ExpFloat64() * float64(20*time.Millisecond)))
	}
}

// signal sends a signal to the child of s, and to no other process.
func (c *chaos) signal(s *subject, sig syscall.Signal) bool {
	client, _, err := control.Find(s.Profile)
	if err != nil {
		return false
	}
	status, err := client.Status(c.Context())
	if err != nil {
		return false
	}
	pid := 0
	for _, i := range status.Instances {
		if i.Profile == s.Name {
			pid = i.PID
		}
	}
	if pid == 0 {
		return false
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	defer p.Release()
	if !proctable.HasEnv(pid, "HOME="+c.home) { // it has ended, and the number may be anybody's
		return false
	}
	if sig != syscall.SIGUSR2 {
		s.kills++
	}
	return p.Signal(sig) == nil
}

func (c *chaos) breakConfig(s *subject) bool {
	if c.full {
		return false
	}
	bad := []string{"{ gateway: { mode: 7 } }\n", "{ gateway: {\n", "", "{ gatewy: {} }\n", "{ gateway: { port: 99999 } }\n"}
	s.bad = true
	c.write(s, bad[c.rand.IntN(len(bad))])
	return true
}

// mendConfig writes the good config anew, or another one that means the same.
func (c *chaos) mendConfig(s *subject) bool {
	if c.full {
		return false
	}
	c.write(s, string(s.good)+strings.Repeat("// edited\n", c.rand.IntN(4)))
	s.bad = false
	return true
}

func (c *chaos) write(s *subject, text string) {
	c.Helper()
	if err := os.WriteFile(s.ConfigPath, []byte(text), 0o600); err != nil {
		c.Errorf("edit the config of %s: %v", s.Name, err)
	}
}

// steal takes the port of s if nobody has it.
func (c *chaos) steal(s *subject) bool {
	if s.thief != nil {
		return false
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // one that no process table shows could not be named
	l, err := lc.Listen(c.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", s.Port))
	if err != nil {
		return false
	}
	s.thief = l
	return true
}

func (c *chaos) leave(s *subject) bool {
	if s.thief == nil {
		return false
	}
	if err := s.thief.Close(); err != nil {
		c.Error(err)
	}
	s.thief = nil
	return true
}

// turnDisk fills the disk, to the last byte or almost, or empties it.
func (c *chaos) turnDisk(*subject) bool {
	if c.ballast == "" {
		return false
	}
	if c.full {
		c.emptyDisk()
		return true
	}
	f, err := os.Create(c.ballast)
	if err != nil {
		c.Error(err)
		return false
	}
	defer f.Close()
	var st unix.Statfs_t
	if err := unix.Statfs(c.home, &st); err != nil {
		c.Error(err)
		return false
	}
	size := int64(st.Bavail)*st.Bsize - c.rand.Int64N(2)*c.rand.Int64N(256<<10)
	_ = unix.Fallocate(int(f.Fd()), 0, 0, max(1, size)) // others write at the same time, so it may be less
	c.full = true
	return true
}

func (c *chaos) emptyDisk() {
	if !c.full {
		return
	}
	if err := os.Remove(c.ballast); err != nil {
		c.Error(err)
	}
	c.full = false
}

// ask has the supervisor do something to a profile of which the wish is from, or
// unclear, and takes note of what the answer says.
func (c *chaos) ask(s *subject, from, to wanted, do func(*control.Client, context.Context, string) error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked || s.wish != from && (s.wish != wantUnclear || from == to) {
		return false
	}
	client, _, err := control.Find(s.Profile)
	if err != nil {
		return false
	}
	s.asked = true
	c.asks.Go(func() {
		err := do(client, context.WithoutCancel(c.Context()), s.Name) // ends with the supervisor, at the latest
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = false
		switch {
		case from == to: // what was wished is wished, whatever the answer
		case err == nil:
			s.wish = to
		default:
			s.wish = wantUnclear
		}
	})
	return true
}

// killSupervisor kills it and starts another, at once or after some more mischief.
func (c *chaos) killSupervisor() bool {
	select {
	case <-c.done:
		return false
	default:
	}
	c.end(syscall.SIGKILL)
	for range c.rand.IntN(4) {
		c.steal(c.subjects[c.rand.IntN(len(c.subjects))])
	}
	c.start()
	return true
}

// replaceSupervisor has a successor take the place of the supervisor. On a full disk
// or in the midst of other mischief it may not come about; the old one then stays.
func (c *chaos) replaceSupervisor(s *subject) bool {
	client, _, err := control.Find(s.Profile)
	if err != nil {
		return false
	}
	c.asks.Go(func() {
		if _, _, err := client.Reexec(context.WithoutCancel(c.Context())); err == nil {
			c.replaced.Add(1)
		}
	})
	return true
}

// mindSupervisor starts another supervisor where one has ended by itself, as a
// service manager would.
func (c *chaos) mindSupervisor() {
	select {
	case <-c.done:
	default:
		return
	}
	c.Errorf("the supervisor has ended by itself:\n%s", endOf(c.read(c.log), 20))
	c.start()
}

// settle ends all mischief whose end nobody else could tell, and finds out what is
// wished where that is unclear. Some thieves and bad configs stay.
func (c *chaos) settle() {
	c.Helper()
	c.emptyDisk()
	c.mindSupervisor()
	c.asks.Wait()
	for i, s := range c.subjects {
		if i%2 == 0 {
			c.leave(s)
		}
	}
	c.until("an answer of the supervisor", func() string {
		if len(c.ps()) == 0 {
			return "none"
		}
		return ""
	})
	for _, s := range c.subjects {
		if s.wish != wantUnclear {
			continue
		}
		client, _, err := control.Find(s.Profile)
		if err != nil {
			c.Fatalf("%s: %v", s.Name, err)
		}
		if c.rand.IntN(3) > 0 {
			_ = client.Start(c.Context(), s.Name) // what may stand in its way is looked at below
			s.wish = wantRunning
			continue
		}
		if err := client.Stop(c.Context(), s.Name); err != nil {
			c.Fatalf("stop %s: %v", s.Name, err)
		}
		s.wish = wantStopped
	}
}
