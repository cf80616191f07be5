package ticket

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/user"
	"strings"
	"testing"
)

// TestUserOf: the gateway tells another user's connection from that of its own.
func TestUserOf(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "user=%d\n", UserOf(r)) }))
	defer srv.Close()
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ask := []string{"bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/" + port + `; printf 'GET / HTTP/1.0\r\n\r\n' >&3; cat <&3`}
	want := map[string][]string{fmt.Sprint(os.Getuid()): ask}
	if nobody, err := user.Lookup("nobody"); err == nil && os.Getuid() == 0 {
		want[nobody.Uid] = append([]string{"setpriv", "--reuid", nobody.Uid, "--clear-groups"}, ask...)
	}
	for uid, args := range want {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Dir = "/"
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "user="+uid+"\n") {
			t.Errorf("%v: want %s, got %s, %v", args, uid, out, err)
		}
	}
	if got := UserOf(httptest.NewRequest(http.MethodGet, "/", nil)); got != -1 {
		t.Errorf("a request of no connection is of user %d", got)
	}
}
