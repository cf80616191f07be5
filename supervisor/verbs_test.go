//go:build unix

package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

func wantDesired(t *testing.T, p profiles.Profile, want string) {
	t.Helper()
	if got, err := os.ReadFile(p.DesiredFile()); string(got) != want+"\n" || err != nil {
		t.Errorf("desired is %q, %v; want %s", got, err, want)
	}
	wantMode(t, p.DesiredFile(), 0o600)
}

func TestStopStaysStopped(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "default", "dev")
	r := supervise(t, ps, nil)
	before := r.allReady()
	if err := r.client.Stop(t.Context(), "dev"); err != nil {
		t.Fatal(err)
	}
	status, err := r.client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if i := status.Instances[1]; i.State != instance.Stopped || i.PID != 0 {
		t.Errorf("after stop: %+v", i)
	}
	if status.Instances[0].PID != before.Instances[0].PID {
		t.Error("the sibling changed")
	}
	refused(t, ps[1].Port)
	wantDesired(t, ps[1], control.WantStopped)
	r.end()

	r = supervise(t, ps, nil) // as a unit does after a boot
	r.until("default ready, dev stopped", func(s control.Status) bool {
		return s.Instances[0].State == instance.Ready && s.Instances[1].State == instance.Stopped
	})
	if err := r.client.Start(t.Context(), "dev"); err != nil {
		t.Fatal(err)
	}
	r.allReady()
	wantDesired(t, ps[1], control.WantRunning)
	if err := r.client.Stop(t.Context(), "dev"); err != nil {
		t.Fatal(err)
	}
	if err := r.client.Restart(t.Context(), "dev"); err != nil { // starts what is stopped
		t.Fatal(err)
	}
	wantDesired(t, ps[1], control.WantRunning)
	if err := r.client.Stop(t.Context(), "dev"); err != nil {
		t.Fatal(err)
	}
	r.end()

	r = supervise(t, ps, func(o *Options) { o.Origin = OriginUp }) // a person asks anew
	r.allReady()
	wantDesired(t, ps[1], control.WantRunning)
}

func TestConfigProblem(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "dev")
	r := supervise(t, ps, nil)
	before := r.allReady().Instances[0]
	const problem = "coderclaw.json:4:3: gateway.port: must be a number\nand more"
	if err := os.WriteFile(ps[0].ConfigPath, []byte(problem), 0o600); err != nil {
		t.Fatal(err)
	}
	err := r.client.Restart(t.Context(), "dev")
	if exitcode.Of(err) != exitcode.Config || !strings.Contains(err.Error(), problem) {
		t.Errorf("got %d %v", exitcode.Of(err), err)
	}
	if after := r.allReady().Instances[0]; after.PID != before.PID {
		t.Errorf("the gateway was replaced: %+v", after)
	}
	if err := r.client.Stop(t.Context(), "dev"); err != nil {
		t.Fatal(err)
	}
	if err := r.client.Start(t.Context(), "dev"); exitcode.Of(err) != exitcode.Config || !strings.Contains(err.Error(), problem) {
		t.Errorf("got %d %v", exitcode.Of(err), err)
	}
	blocked := r.until("blocked", func(s control.Status) bool { return s.Instances[0].State == instance.Blocked })
	if got := blocked.Instances[0].Reason; got != problem {
		t.Errorf("reason %q", got)
	}
	if err := os.Remove(ps[0].ConfigPath); err != nil {
		t.Fatal(err)
	}
	r.allReady()
}

func TestProblemClasses(t *testing.T) {
	t.Parallel()
	p := testProfiles(t, "dev")[0]
	for _, tc := range []struct {
		problem error
		class   string
		code    exitcode.Code
	}{
		{errors.New("x"), instance.ClassConfig, exitcode.Config},
		{exitcode.With(exitcode.Busy, errors.New("x")), instance.ClassPort, exitcode.Busy},
		{exitcode.With(exitcode.Auth, errors.New("x")), instance.ClassAuth, exitcode.Auth},
	} {
		o := testOptions([]profiles.Profile{p}, "")
		o.Check = func(context.Context, profiles.Profile) (Checked, error) { return Checked{Problem: tc.problem}, nil }
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.check(t.Context(), p)
		blocked, ok := errors.AsType[*instance.BlockedError](err)
		if !ok || blocked.Class != tc.class || blocked.Reason != "x" || exitcode.Of(err) != tc.code {
			t.Errorf("%v: got %+v, code %d", tc.problem, blocked, exitcode.Of(err))
		}
	}
}

// TestRestartFromBelow: what runs below a gateway asks for its restart, does not
// live to see it, and the result can be read by somebody else.
func TestRestartFromBelow(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "dev")
	r := supervise(t, ps, nil)
	before := r.allReady().Instances[0].PID
	reply, _, err := ask(t.Context(), ps[0].Port, "post "+r.info.Socket+" /v1/profiles/dev/restart")
	fields := strings.Fields(reply)
	if err != nil || len(fields) != 4 || fields[2] != "202" {
		t.Fatalf("got %q, %v", reply, err)
	}
	var got control.Restart
	waitFor(t, "the end of the restart", func() bool {
		got, err = r.client.Restarted(t.Context(), fields[3])
		if err != nil && !errors.Is(err, context.DeadlineExceeded) { // what a busy machine makes of the time of a client
			t.Fatal(err)
		}
		return got.Done
	})
	if !got.OK || got.Profile != "dev" || r.allReady().Instances[0].PID == before {
		t.Errorf("%+v", got)
	}
	if _, err := r.client.Restarted(t.Context(), "nothing"); err == nil {
		t.Error("a restart that nobody asked for has a result")
	}
	var arrows []string
	if err := r.client.Events(t.Context(), 0, false, func(e control.Event) {
		if e.Seq != int64(len(arrows)+1) || e.Profile != "dev" {
			t.Errorf("%+v", e)
		}
		arrows = append(arrows, string(e.From)+" "+string(e.To))
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{"stopped starting", "starting ready", "ready draining", "draining starting", "starting ready"}
	if !slices.Equal(arrows, want) {
		t.Errorf("got %v", arrows)
	}
}

func TestUnknownProfile(t *testing.T) {
	t.Parallel()
	r := supervise(t, testProfiles(t, "default", "dev"), nil)
	err := r.client.Stop(t.Context(), "other")
	if exitcode.Of(err) != exitcode.Usage || err.Error() != `this supervisor does not run profile "other"; it runs default, dev` {
		t.Errorf("got %d %v", exitcode.Of(err), err)
	}
}

// A client may be the gateway itself, which does not live to see the answer.
func TestClientThatGoesAway(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "dev")
	r := supervise(t, ps, nil)
	before := r.allReady().Instances[0].PID
	c, err := net.Dial("unix", r.info.Socket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(c, "POST /v1/profiles/dev/restart HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	c.Close()
	r.until("a new child", func(s control.Status) bool {
		return s.Instances[0].State == instance.Ready && s.Instances[0].PID != before
	})
}

func TestWhatRunsBelowAGatewayChangesOnlyThat(t *testing.T) {
	t.Parallel()
	ps := testProfiles(t, "default", "dev")
	r := supervise(t, ps, nil)
	before := r.allReady()
	for _, tc := range []struct{ path, want string }{
		{"/v1/profiles/default/stop", "403"},
		{"/v1/shutdown", "403"},
		{"/v1/profiles/dev/start", "200"},
	} {
		reply, _, err := ask(t.Context(), ps[1].Port, "post "+r.info.Socket+" "+tc.path)
		if want := fmt.Sprintf("dev %d %s", before.Instances[1].PID, tc.want); reply != want || err != nil {
			t.Errorf("%s: got %q, %v; want %q", tc.path, reply, err, want)
		}
	}
	if after := r.allReady(); after.Instances[0].PID != before.Instances[0].PID {
		t.Error("the sibling changed")
	}
}
