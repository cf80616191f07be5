// Package tailscaletest owns a stand-in for the program tailscale, which plays back
// what the real one (1.80) says. It publishes nothing; it is for tests on unix.
package tailscaletest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/internal/programtest"
)

// Story is what becomes of one machine.
type Story string

// The stories. In all but those that say otherwise the machine is in a tailnet whose
// admin allows serve and funnel, and 100.64.0.7 is a machine of kim@example.com.
const (
	Fine      Story = "fine"
	LoggedOut Story = "logged out" // nothing works
	Slow      Story = "slow"       // it does not answer
	BadJSON   Story = "bad JSON"   // it answers something else
	NoFunnel  Story = "no funnel"  // the admin does not allow funnel
	NoRight   Story = "no right"   // the user may not change what is published
	AskAdmin  Story = "ask admin"  // it waits until the admin allows serve
	Taken     Story = "taken"      // another program is published already
	Funnelled Story = "funnelled"  // the port is open to the internet already
)

// Host is the name of the machine in the tailnet.
const Host = "box.tail1234.ts.net"

const script = `#!/bin/sh
dir=$(dirname "$0")
echo "$*" >> "$dir/calls"
story=$(cat "$dir/story")
die() { echo "$*" >&2; exit 1; }
case $story in
"logged out") die "Logged out.
Log in at: https://login.tailscale.com/a/1234";;
slow) exec sleep 600;;
"bad JSON") echo 'Warning: client version "1.80.0" != tailscaled server version "1.78.1"'; exit 0;;
esac
case "$1 $2 $3" in
"whois --json 100.64.0.7") cat <<E
{"Node":{"ID":1,"StableID":"n1","Name":"phone.tail1234.ts.net.","User":7,"Addresses":["100.64.0.7/32"]},"UserProfile":{"ID":7,"LoginName":"Kim@example.com","DisplayName":"Kim","ProfilePicURL":""},"CapMap":null}
E
	exit 0;;
"whois --json "*) die "peer not found";;
"serve status --json") if [ -e "$dir/published" ]; then cat "$dir/published"; else echo '{}'; fi; exit 0;;
esac
case "$*" in
*"--https=443 off") rm -f "$dir/published"; exit 0;;
esac
[ "$2 $3" = "--bg --yes" ] || die "flag provided but not defined: $2"
verb=$1 to=$4
case $to in *://*) ;; *) to=http://127.0.0.1:$to;; esac
case "$story $verb" in
"no funnel funnel") die "error: Funnel not available; \"funnel\" node attribute not set. See https://tailscale.com/s/no-funnel.";;
"no right "*) die "sending serve config: Access denied: serve config denied
To not require root, use 'sudo tailscale set --operator=\$USER' once.";;
"ask admin "*) echo "Serve is not enabled on your tailnet. To enable, visit: https://login.tailscale.com/f/serve?node=n1"; echo waiting >> "$dir/calls"; exec sleep 600;;
esac
open=
[ "$verb" = funnel ] || [ "$story" = funnelled ] && open=',"AllowFunnel":{"` + Host + `:443":true}'
echo '{"TCP":{"443":{"HTTPS":true}},"Web":{"` + Host + `:443":{"Handlers":{"/":{"Proxy":"'"$to"'"}}}}'"$open"'}' > "$dir/published"
echo "Available within your tailnet: https://` + Host + `/"
`

// Program makes the program and returns its path, which lies in a directory of its own.
func Program(tb testing.TB, story Story) string {
	tb.Helper()
	dir := tb.TempDir()
	path := filepath.Join(dir, "tailscale")
	programtest.Write(tb, path, []byte(script))
	files := map[string]string{filepath.Join(dir, "story"): string(story)}
	if story == Taken {
		files[filepath.Join(dir, "published")] = `{"TCP":{"443":{"HTTPS":true}},"Web":{"` + Host + `:443":{"Handlers":{"/":{"Proxy":"http://127.0.0.1:3000"}}}}}`
	}
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return path
}

// Calls are the arguments with which a program of Program was called, one call a line.
func Calls(tb testing.TB, program string) []string {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join(filepath.Dir(program), "calls"))
	if err != nil && !os.IsNotExist(err) {
		tb.Fatal(err)
	}
	return slices.Collect(strings.FieldsFuncSeq(string(text), func(r rune) bool { return r == '\n' }))
}
