package servicegen

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// startBus runs a message bus with nothing on it and returns its address.
func startBus(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("dbus-daemon"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("dbus-daemon is missing; install the package dbus-daemon")
		}
		t.Skip("dbus-daemon is missing")
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "bus.conf")
	write(t, conf, `<busconfig><listen>unix:path=`+dbus.EscapeBusAddressValue(filepath.Join(dir, "bus"))+`</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*" eavesdrop="true"/><allow receive_sender="*"/></policy>
</busconfig>`)
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "dbus-daemon", "--nofork", "--print-address=1", "--config-file="+conf)
	cmd.WaitDelay = time.Minute
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // killed
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address, _, _ := strings.Cut(strings.TrimSpace(line), ",")
	return address
}

// serve puts objects on the bus under a well-known name.
func serve(t *testing.T, address, name string, objects map[dbus.ObjectPath]map[string]any) {
	t.Helper()
	c, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	for path, faces := range objects {
		for face, methods := range faces {
			if err := c.ExportMethodTable(methods.(map[string]any), path, face); err != nil {
				t.Fatal(err)
			}
		}
	}
	if reply, err := c.RequestName(name, 0); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("own %s: %v, %v", name, reply, err)
	}
}

// values answers Properties.Get from a table.
func values(table map[string]any) map[string]any {
	return map[string]any{"Get": func(_, name string) (dbus.Variant, *dbus.Error) {
		v, ok := table[name]
		if !ok {
			return dbus.Variant{}, dbus.MakeFailedError(os.ErrNotExist)
		}
		return dbus.MakeVariant(v), nil
	}}
}
