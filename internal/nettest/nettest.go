// Package nettest owns a network of their own for tests that say something to
// everybody: no packet of theirs leaves it, and none comes in.
package nettest

import (
	"bytes"
	"os"
	"os/exec"
	"strconv"
	"testing"
)

// Addr is the address of the machine in that network, on an interface that carries
// multicast. Nobody else is there.
const (
	Addr      = "10.9.9.1"
	Interface = "own0"
)

// insideVar tells a test binary that it runs in the network.
const insideVar = "CODERCLAW_TEST_NETWORK"

// Inside runs the test that calls it once more, in a network of its own, and
// reports how that went; it is true there, and false where the caller has nothing
// more to do. A system that cannot do it fails the test in CI for root, and skips it
// elsewhere.
func Inside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideVar) == t.Name() {
		return true
	}
	ip, err := exec.LookPath("ip")
	if err != nil {
		ip, err = exec.LookPath("/usr/sbin/ip")
	}
	if err != nil {
		missing(t, err.Error()+"; install iproute2")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-ec", script, "sh", ip, self, "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v="+strconv.FormatBool(testing.Verbose()))
	cmd.Env = append(os.Environ(), insideVar+"="+t.Name())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if cmd.SysProcAttr = attributes(); cmd.SysProcAttr == nil {
		t.Skip("this system gives no process a network of its own")
	}
	err = cmd.Run()
	switch {
	case err == nil:
		t.Logf("%s", out.Bytes())
	case cmd.ProcessState == nil || cmd.ProcessState.ExitCode() == cannot:
		missing(t, "no network of its own: "+err.Error()+"\n"+out.String())
	default:
		t.Errorf("in a network of its own: %v\n%s", err, out.Bytes())
	}
	return false
}

// cannot is how the script ends where there is no such network.
const cannot = 99

// script makes the network, and becomes the test.
const script = `ip=$1; shift
{ "$ip" link set lo up && "$ip" link add ` + Interface + ` type veth peer name peer0 && "$ip" link set ` + Interface + ` up && "$ip" link set peer0 up &&
	"$ip" addr add ` + Addr + `/24 dev ` + Interface + `; } || exit 99
exec "$@"`

// missing ends a test for which this machine lacks something.
func missing(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" && os.Getuid() == 0 {
		t.Fatal(why)
	}
	t.Skip(why)
}
