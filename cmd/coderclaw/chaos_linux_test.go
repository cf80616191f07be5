package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

var (
	chaosTime = flag.Duration("chaos", 8*time.Second, "how long the chaos run makes mischief; with -soak ten minutes")
	chaosSeed = flag.Uint64("chaosseed", 0, "makes the chaos run choose as one before it did, which printed this; 0 is a new one")
)

const (
	chaosProfiles = 20
	chaosSoak     = 10 * time.Minute
	chaosDisk     = 96 << 20 // of the file system of all state dirs, in bytes
	// chaosPatience bounds the way back to order: the longest back-off, and half a minute.
	chaosPatience = 90 * time.Second
)

// chaos is a supervisor of many profiles, and everything that is done to it.
type chaos struct {
	*testing.T
	rand     *rand.Rand // of the one goroutine that decides
	env      []string
	home     string // of all state dirs
	registry string // path
	ballast  string // file that fills the disk; "" when there is none to fill
	subjects []*subject

	full bool // the ballast is there
	cmd  *exec.Cmd
	log  string // where the supervisor's stderr goes
	done chan struct{}
	acts map[string]int // how often each kind of mischief was made
	asks sync.WaitGroup // commands that are under way

	replaced atomic.Int64 // times that a successor took the place of the supervisor
}

// subject is one profile and the inputs that decide how it is to end up.
type subject struct {
	profiles.Profile
	good  []byte // its config as made by setup
	bad   bool   // what stands in its place is invalid
	thief net.Listener
	kills int // of children of this supervisor, by us

	mu    sync.Mutex // guards what follows
	wish  wanted
	asked bool // a command is under way
}

// wanted is what a client has asked for last, as far as the answer told.
type wanted int

const (
	wantRunning wanted = iota
	wantStopped
	wantUnclear // the answer did not come, or was an error
)

// TestChaos makes mischief of every kind to twenty gateways and their supervisor,
// and then looks that each is as its inputs demand and that nothing is left over.
func TestChaos(t *testing.T) {
	t.Parallel()
	c := newChaos(t)
	c.start()
	c.converge("all are ready at first", false)
	c.until("each has kept its good config", func() string {
		for _, s := range c.subjects {
			if _, err := os.Stat(s.LastGoodFile()); err != nil {
				return err.Error()
			}
		}
		return ""
	})
	before := c.read(c.registry)
	fresh := c.goroutines()

	c.start()
	c.converge("all are ready again", false)
	length := *chaosTime
	if *soak {
		length = chaosSoak
	}
	c.mischief(length)
	c.settle()
	c.Logf("after %s: %v; replaced %d times", length, c.acts, c.replaced.Load())
	c.converge("each is as its inputs demand", false)
	c.onlyTheTree()
	c.noGrowth()
	after := c.goroutines()
	c.Logf("%d goroutines after all that, %d of a fresh supervisor", after, fresh)
	if after > fresh+chaosSlack {
		c.Errorf("too many goroutines; see %s", c.log)
	}
	c.start() // cold, with whatever stands in the configs
	c.converge("each is as its inputs demand after a cold start", true)
	c.onlyTheTree()
	if !bytes.Equal(c.read(c.registry), before) {
		t.Errorf("the registry has changed:\n%s", c.read(c.registry))
	}
	c.end(syscall.SIGTERM)
	c.nothingIsLeft()
	c.noBugIsLogged()
}

func newChaos(t *testing.T) *chaos {
	t.Helper()
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("to choose so again: -chaosseed=%d", seed)
	dir := t.TempDir()
	c := &chaos{T: t, rand: rand.New(rand.NewPCG(seed, 0)), home: filepath.Join(dir, "h"), registry: filepath.Join(dir, "profiles.toml"),
		log: filepath.Join(dir, "supervisor.log"), acts: map[string]int{}}
	c.env = []string{"HOME=" + c.home, "CODERCLAW_REGISTRY=" + c.registry, "PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + filepath.Join(dir, "run"),
		"GORACE=" + noRaceWait}
	if err := os.Mkdir(c.home, 0o700); err != nil {
		t.Fatal(err)
	}
	c.mount()
	var ports []int
	for range chaosProfiles {
		port, err := freeBlock(t.Cleanup)
		if err != nil {
			t.Fatal(err)
		}
		ports = append(ports, port)
	}
	t.Cleanup(c.clean) // before the file system and the ports go
	c.makeProfiles(ports)
	return c
}

// mount gives the state dirs a small disk of their own, which takes root.
func (c *chaos) mount() {
	c.Helper()
	if os.Getuid() != 0 {
		c.Log("not root: the disk stays as it is")
		return
	}
	if err := syscall.Mount("tmpfs", c.home, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, fmt.Sprintf("size=%d,mode=700", chaosDisk)); err != nil {
		if os.Getenv("CI") != "" {
			c.Fatalf("mount a disk to fill: %v", err)
		}
		c.Logf("the disk stays as it is: %v", err)
		return
	}
	c.ballast = filepath.Join(c.home, "ballast")
	c.Cleanup(func() {
		if err := syscall.Unmount(c.home, syscall.MNT_DETACH); err != nil {
			c.Errorf("unmount %s: %v", c.home, err)
		}
	})
}

func (c *chaos) makeProfiles(ports []int) {
	c.Helper()
	names := []string{"default", "dev", "rescue"}
	var text strings.Builder
	for i, port := range ports {
		name := fmt.Sprintf("p%02d", i)
		if i < len(names) {
			name = names[i]
		}
		fmt.Fprintf(&text, "[profiles.%s]\nport = %d\ndrain = \"1s\"\nstart_timeout = \"20s\"\nprobe_every = \"1s\"\nprobe_timeout = \"2s\"\nprobe_misses = 2\n\n", name, port)
	}
	if err := os.WriteFile(c.registry, []byte(text.String()), 0o600); err != nil {
		c.Fatal(err)
	}
	r, err := profiles.Load(c.registry, c.home)
	if err != nil {
		c.Fatal(err)
	}
	for _, p := range r.List() {
		cmd := exec.CommandContext(c.Context(), "coderclaw", "--profile", p.Name, "setup")
		cmd.Env = c.env
		if out, err := cmd.CombinedOutput(); err != nil {
			c.Fatalf("%v: %v\n%s", cmd, err, out)
		}
		if err := os.WriteFile(filepath.Join(p.StateDir, toolFile), []byte(chaosTool), 0o600); err != nil {
			c.Fatal(err)
		}
		c.subjects = append(c.subjects, &subject{Profile: p, good: c.read(p.ConfigPath)})
	}
}

// chaosTool leaves a process behind that has shed its parents, its session and its group.
const chaosTool = `setsid sh -c 'setsid sleep 100000 & exit' </dev/null >/dev/null 2>&1 &
`

// start starts a supervisor; that it answers is left to be seen.
func (c *chaos) start() {
	c.Helper()
	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		c.Fatal(err)
	}
	defer log.Close()
	c.cmd = exec.Command("coderclaw", "supervisor", "run", "--all")
	c.cmd.Env, c.cmd.Stderr = c.env, log
	if err := c.cmd.Start(); err != nil {
		c.Fatal(err)
	}
	cmd, done := c.cmd, make(chan struct{})
	c.done = done
	go func() {
		defer close(done)
		_ = cmd.Wait() // how it ended is told by whoever ended it
	}()
	for _, s := range c.subjects {
		s.kills = 0
	}
}

// end ends the supervisor with a signal and returns when it is gone.
func (c *chaos) end(s syscall.Signal) {
	c.Helper()
	_ = c.cmd.Process.Signal(s) // it may have ended by itself
	limit := time.NewTimer(chaosPatience)
	defer limit.Stop()
	select {
	case <-c.done:
	case <-limit.C:
		c.Fatalf("the supervisor does not end by %s", s)
	}
}

// goroutines ends the supervisor by having it print its goroutines, and counts those of
// its own. What a probe or an answer has besides comes and goes, and has descriptors
// that are counted.
func (c *chaos) goroutines() int {
	c.Helper()
	from := len(c.read(c.log))
	c.end(syscall.SIGQUIT)
	dump := c.read(c.log)[from:]
	if err := os.WriteFile(c.log+".goroutines", dump, 0o600); err != nil {
		c.Fatal(err)
	}
	n := 0
	for _, stack := range strings.Split(string(dump), "\ngoroutine ")[1:] {
		has := func(what string) bool { return strings.Contains(stack, what) }
		if has("instance.(*machine).watch(") || has("github.com/coderclaw/") && !has("\nnet/http.") && !has("github.com/coder/websocket") && !has("/gateway/client.") {
			n++
		}
	}
	if n == 0 {
		c.Fatalf("the supervisor printed no goroutines:\n%s", dump)
	}
	return n
}

// clean ends whatever is left after a test that has failed half-way.
func (c *chaos) clean() {
	for _, s := range c.subjects {
		c.leave(s)
	}
	if c.cmd != nil {
		_ = c.cmd.Process.Kill()
		<-c.done
	}
	c.asks.Wait()
	c.until("the end of what is left", func() string {
		left, err := proctable.WithEnv([]string{"HOME=" + c.home})
		if err != nil {
			return err.Error()
		}
		for pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if len(left) > 0 {
			return fmt.Sprint(left)
		}
		return ""
	})
	if c.Failed() {
		c.Logf("the supervisor's last words:\n%s", endOf(c.read(c.log), 300))
	}
}

func endOf(text []byte, n int) string {
	lines := strings.Split(string(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// ps is what `ps --json` shows, by profile; empty without a supervisor that answers.
func (c *chaos) ps() map[string]control.Instance {
	cmd := exec.Command("coderclaw", "ps", "--json")
	cmd.Env = c.env
	out, _ := cmd.Output() // exit 3 before there is a supervisor
	var report psReport
	all := map[string]control.Instance{}
	if json.Unmarshal(out, &report) == nil && len(report.Supervisors) > 0 {
		for _, i := range report.Instances {
			all[i.Profile] = i
		}
	}
	return all
}

// until polls until what gives no complaint any more.
func (c *chaos) until(name string, what func() string) {
	c.Helper()
	limit := time.NewTimer(chaosPatience)
	defer limit.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		complaint := what()
		if complaint == "" {
			return
		}
		select {
		case <-limit.C:
			c.Fatalf("not within %s: %s: %s", chaosPatience, name, complaint)
		case <-tick.C:
		}
	}
}

func (c *chaos) read(path string) []byte {
	c.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		c.Fatal(err)
	}
	return text
}

// demand says what is wrong with i for the inputs of s, "" if nothing is. After a
// cold start it is also certain which config runs.
func (s *subject) demand(i control.Instance, cold bool) string {
	wrong := func(want string) string {
		return fmt.Sprintf("%s is to be %s and is %s, pid %d: %s", s.Name, want, i.State, i.PID, i.Reason)
	}
	switch {
	case s.wish == wantStopped:
		if i.State != instance.Stopped || i.PID != 0 {
			return wrong("stopped")
		}
	case s.thief != nil:
		if want := fmt.Sprintf("port %d held by pid %d ", s.Port, os.Getpid()); i.State != instance.Blocked || !strings.Contains(i.Reason, want) {
			return wrong("blocked: " + want)
		}
	case i.State != instance.Ready || i.PID == 0:
		return wrong("ready")
	case !s.bad && i.Degraded != "":
		return wrong("ready with its own config")
	case s.bad && cold && i.Degraded == "":
		return wrong("degraded")
	}
	return ""
}
