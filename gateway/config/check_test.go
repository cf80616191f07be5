package config

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
)

// profileAt is a profile whose directories lie in dir.
func profileAt(name, dir string) profiles.Profile {
	return profiles.Profile{Name: name, Port: 19789, StateDir: dir,
		ConfigPath: filepath.Join(dir, "coderclaw.json"), Workspace: filepath.Join(dir, "workspace")}
}

func TestCheckProfile(t *testing.T) {
	t.Parallel()
	const bindText = "refusing to bind gateway to 0.0.0.0:19789 without auth (set gateway.auth.token/password, or set CODERCLAW_GATEWAY_TOKEN/CODERCLAW_GATEWAY_PASSWORD)"
	tests := []struct {
		name, src string
		env       []string
		mode      string
		code      exitcode.Code
		want      string // the error, "" for none
	}{
		{name: "token", src: `{gateway:{mode:"local",auth:{token:"t"}}}`, mode: "token"},
		{name: "password first", src: `{gateway:{mode:"local",auth:{token:"t",password:"p"}}}`, mode: "password"},
		{name: "token from the environment", src: `{gateway:{mode:"local"}}`, env: []string{EnvToken, "t"}, mode: "token"},
		{name: "password from the environment", src: `{gateway:{mode:"local",auth:{mode:"password"}}}`, env: []string{EnvPassword, "p"}, mode: "password"},
		{name: "lan with token", src: `{gateway:{mode:"local",bind:"lan",auth:{token:"t"}}}`, mode: "token"},
		{name: "none on loopback", src: `{gateway:{mode:"local",auth:{mode:"none"}}}`, mode: "none"},
		{name: "none on lan", src: `{gateway:{mode:"local",bind:"lan",auth:{mode:"none"}}}`, mode: "none", code: exitcode.Auth, want: bindText},
		{name: "nothing on lan", src: `{gateway:{mode:"local",bind:"lan"}}`, code: exitcode.Auth, want: bindText},
		{name: "nothing", src: `{gateway:{mode:"local"}}`, code: exitcode.Auth,
			want: "the gateway has no token and no password; make one with: coderclaw --profile rescue setup"},
		{name: "only a remote token", src: `{gateway:{mode:"local",remote:{token:"t"}}}`, code: exitcode.Auth,
			want: "the gateway has no token and no password; make one with: coderclaw --profile rescue setup\n" +
				`"gateway.remote.token" is for remote CLI calls; it does not enable local gateway auth.`},
		{name: "token mode without token", src: `{gateway:{mode:"local",auth:{mode:"token",password:"p"}}}`, mode: "token", code: exitcode.Auth,
			want: "Gateway auth is set to token, but no token is configured.\nSet gateway.auth.token (or CODERCLAW_GATEWAY_TOKEN), or pass --token."},
		{name: "password mode without password", src: `{gateway:{mode:"local",auth:{mode:"password",token:"t"}}}`, mode: "password", code: exitcode.Auth,
			want: "Gateway auth is set to password, but no password is configured.\nSet gateway.auth.password (or CODERCLAW_GATEWAY_PASSWORD), or pass --password."},
		{name: "trusted proxy", src: `{gateway:{mode:"local",bind:"lan",trustedProxies:["10.0.0.1","fd00::/8"],auth:{mode:"trusted-proxy",trustedProxy:{userHeader:"x-user"}}}}`, mode: "trusted-proxy"},
		{name: "trusted proxy on loopback", src: `{gateway:{mode:"local",trustedProxies:["10.0.0.1"],auth:{mode:"trusted-proxy",trustedProxy:{userHeader:"x-user"}}}}`, mode: "trusted-proxy", code: exitcode.Config,
			want: "gateway auth mode=trusted-proxy makes no sense with gateway bind=loopback: every program on this machine could name a user; set gateway.bind to lan, tailnet or custom"},
		{name: "trusted proxy without proxies", src: `{gateway:{mode:"local",bind:"lan",auth:{mode:"trusted-proxy",trustedProxy:{userHeader:"x-user"}}}}`, mode: "trusted-proxy", code: exitcode.Config,
			want: "gateway auth mode=trusted-proxy requires gateway.trustedProxies: the addresses of the proxies that are believed"},
		{name: "trusted proxy without its block", src: `{gateway:{mode:"local",bind:"lan",trustedProxies:["10.0.0.1"],auth:{mode:"trusted-proxy"}}}`, mode: "trusted-proxy", code: exitcode.Config,
			want: "gateway auth mode=trusted-proxy requires gateway.auth.trustedProxy with the userHeader that the proxy sets"},
		{name: "trusted proxy without a header", src: `{gateway:{mode:"local",bind:"lan",trustedProxies:["10.0.0.1"],auth:{mode:"trusted-proxy",trustedProxy:{userHeader:""}}}}`, mode: "trusted-proxy", code: exitcode.Config,
			want: "gateway auth mode=trusted-proxy requires gateway.auth.trustedProxy.userHeader, which is empty"},
		{name: "serve", src: `{gateway:{mode:"local",auth:{token:"t"},tailscale:{mode:"serve"}}}`, mode: "token"},
		{name: "serve without a token", src: `{gateway:{mode:"local",auth:{mode:"token"},tailscale:{mode:"serve"}}}`, mode: "token"},
		{name: "serve without a token, identity refused", src: `{gateway:{mode:"local",auth:{mode:"token",allowTailscale:false},tailscale:{mode:"serve"}}}`, mode: "token", code: exitcode.Auth,
			want: "Gateway auth is set to token, but no token is configured.\nSet gateway.auth.token (or CODERCLAW_GATEWAY_TOKEN), or pass --token."},
		{name: "no token but tailscale, on lan", src: `{gateway:{mode:"local",bind:"lan",auth:{mode:"token",allowTailscale:true}}}`, mode: "token", code: exitcode.Auth, want: bindText},
		{name: "serve on lan", src: `{gateway:{mode:"local",bind:"lan",auth:{token:"t"},tailscale:{mode:"serve"}}}`, mode: "token", code: exitcode.Config,
			want: "tailscale serve/funnel requires gateway bind=loopback (127.0.0.1)"},
		{name: "funnel", src: `{gateway:{mode:"local",auth:{password:"p"},tailscale:{mode:"funnel"}}}`, mode: "password"},
		{name: "funnel with a token", src: `{gateway:{mode:"local",auth:{token:"t"},tailscale:{mode:"funnel"}}}`, mode: "token", code: exitcode.Config,
			want: "tailscale funnel requires gateway auth mode=password (set gateway.auth.mode and gateway.auth.password, or gateway.tailscale.mode to serve)"},
		{name: "funnel on lan", src: `{gateway:{mode:"local",bind:"lan",auth:{password:"p"},tailscale:{mode:"funnel"}}}`, mode: "password", code: exitcode.Config,
			want: "tailscale serve/funnel requires gateway bind=loopback (127.0.0.1)"},
		{name: "no mode", src: `{}`, code: exitcode.Config,
			want: "Gateway start blocked: set gateway.mode=local (current: unset) or pass --allow-unconfigured."},
		{name: "remote mode", src: `{gateway:{mode:"remote"}}`, code: exitcode.Config,
			want: "Gateway start blocked: set gateway.mode=local (current: remote) or pass --allow-unconfigured."},
		{name: "no file", code: exitcode.Config,
			want: "Missing config. Run `coderclaw --profile rescue setup` or set gateway.mode=local (or pass --allow-unconfigured)."},
		{name: "custom without a host", src: `{gateway:{mode:"local",bind:"custom",auth:{token:"t"}}}`, code: exitcode.Config,
			want: `config coderclaw.json: gateway.bind is "custom", but gateway.customBindHost is not set; set it to an IP address of this machine`},
		{name: "invalid", src: `{gateway:{prt:1}}`, code: exitcode.Config,
			want: "invalid config at coderclaw.json\n  coderclaw.json:1:11: gateway.prt: unknown key; did you mean \"port\"?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			if tt.src != "" {
				dir = filepath.Dir(write(t, "coderclaw.json", tt.src))
			}
			c, err := CheckProfile(t.Context(), profileAt("rescue", dir), vars(tt.env...))
			got := ""
			if err != nil {
				got = strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "")
			}
			if got != tt.want {
				t.Errorf("error\n%s\nwant\n%s", got, tt.want)
			}
			if code := exitcode.Of(err); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if c.AuthMode != tt.mode {
				t.Errorf("auth mode %q, want %q", c.AuthMode, tt.mode)
			}
			if c.Port != 19789 || c.Workspace != filepath.Join(dir, "workspace") || c.Hash == "" || c.Snapshot == nil {
				t.Errorf("incomplete: %+v", c)
			}
			if err == nil && (len(c.Addrs) == 0 || int(c.Addrs[0].Port()) != c.Port) {
				t.Errorf("addresses %v", c.Addrs)
			}
		})
	}
}

func TestCheckProfileUsesTheFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Dir(write(t, "coderclaw.json", `{gateway:{mode:"local",port:4000,auth:{token:"t"}},agents:{defaults:{workspace:"~/w"}}}`))
	c, err := CheckProfile(t.Context(), profileAt("default", dir), vars())
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:4000"), netip.MustParseAddrPort("[::1]:4000")}
	if diff := cmp.Diff(want, c.Addrs, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	if c.Workspace != filepath.FromSlash("/home/kim/w") || c.Mode != "local" {
		t.Errorf("workspace %s, mode %s", c.Workspace, c.Mode)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := CheckProfile(ctx, profileAt("default", dir), vars()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestUnregisteredProfileIsNotNamed(t *testing.T) {
	t.Parallel()
	_, err := CheckProfile(t.Context(), profileAt("", t.TempDir()), vars())
	if err == nil || !strings.Contains(err.Error(), "`coderclaw setup`") {
		t.Errorf("got %v", err)
	}
}

func TestBindAddrs(t *testing.T) {
	t.Parallel()
	interfaces := func(cidrs ...string) func() ([]net.Addr, error) {
		return func() ([]net.Addr, error) {
			var out []net.Addr
			for _, c := range cidrs {
				ip, n, err := net.ParseCIDR(c)
				if err != nil {
					return nil, err
				}
				out = append(out, &net.IPNet{IP: ip, Mask: n.Mask})
			}
			return out, nil
		}
	}
	plain := interfaces("127.0.0.1/8", "192.168.1.2/24", "100.128.0.1/32")
	tailnet := interfaces("127.0.0.1/8", "fd7a:115c:a1e0::1/48", "100.101.102.103/32")
	tests := []struct {
		bind, host string
		port       int
		ifaces     func() ([]net.Addr, error)
		want       string // addresses, or the error after "error: "
	}{
		{"", "", 80, plain, "127.0.0.1:80 [::1]:80"},
		{"loopback", "10.0.0.1", 80, plain, "127.0.0.1:80 [::1]:80"},
		{"auto", "", 80, tailnet, "127.0.0.1:80 [::1]:80"},
		{"lan", "", 80, plain, "0.0.0.0:80"},
		{"tailnet", "", 80, tailnet, "100.101.102.103:80"},
		{"tailnet", "", 80, plain, `error: gateway.bind "tailnet": this machine has no address in 100.64.0.0/10; start Tailscale, or set gateway.bind to "loopback"`},
		{"tailnet", "", 80, func() ([]net.Addr, error) { return nil, errors.New("no") }, `error: gateway.bind "tailnet": read the addresses of this machine: no`},
		{"custom", "10.1.2.3", 80, plain, "10.1.2.3:80"},
		{"custom", "fd00::1", 80, plain, "[fd00::1]:80"},
		{"custom", "::ffff:127.0.0.1", 80, plain, "127.0.0.1:80"},
		{"custom", "", 80, plain, `error: gateway.bind is "custom", but gateway.customBindHost is not set; set it to an IP address of this machine`},
		{"custom", "host.example", 80, plain, `error: gateway.customBindHost: "host.example" is not an IP address; write it like 192.168.1.10`},
		{"custom", "0.0.0.0", 80, plain, `error: gateway.customBindHost: 0.0.0.0 means every interface; if that is wanted, set gateway.bind to "lan"`},
		{"custom", "224.0.0.1", 80, plain, `error: gateway.customBindHost: 224.0.0.1 is a multicast address, on which nothing can listen`},
		{"all", "", 80, plain, `error: gateway.bind: must be "loopback", "lan", "tailnet", "auto" or "custom", is "all"`},
		{"loopback", "", 0, plain, `error: gateway.port: must be a whole number from 1 to 65535, is 0`},
		{"loopback", "", 65536, plain, `error: gateway.port: must be a whole number from 1 to 65535, is 65536`},
	}
	for _, tt := range tests {
		addrs, err := bindAddrs(tt.bind, tt.host, tt.port, tt.ifaces)
		got := ""
		for _, a := range addrs {
			got += " " + a.String()
		}
		got = strings.TrimSpace(got)
		if err != nil {
			got = "error: " + err.Error()
			if exitcode.Of(err) != exitcode.Config {
				t.Errorf("%s %s: exit code %d", tt.bind, tt.host, exitcode.Of(err))
			}
		}
		if got != tt.want {
			t.Errorf("%s %q %d:\n got %s\nwant %s", tt.bind, tt.host, tt.port, got, tt.want)
		}
	}
	addrs, err := BindAddrs("loopback", "", 1)
	if err != nil || len(addrs) == 0 || slices.ContainsFunc(addrs, func(a netip.AddrPort) bool { return !a.Addr().IsLoopback() }) {
		t.Errorf("BindAddrs on this host: %v, %v", addrs, err)
	}
}

func TestBindGate(t *testing.T) {
	t.Parallel()
	out, in := netip.MustParseAddrPort("[fd00::1]:5"), netip.MustParseAddrPort("127.9.9.9:5")
	if err := BindGate(in); err != nil {
		t.Error(err)
	}
	if err := BindGate(out); exitcode.Of(err) != exitcode.Auth || !strings.HasPrefix(err.Error(), "refusing to bind gateway to [fd00::1]:5 without auth") {
		t.Errorf("got %v", err)
	}
}

func TestListenErrors(t *testing.T) {
	t.Parallel()
	if err := ErrAlreadyListening("127.0.0.1", 18789); err.Error() != "another gateway instance is already listening on ws://127.0.0.1:18789" || exitcode.Of(err) != exitcode.Busy {
		t.Errorf("got %v", err)
	}
	if err := ErrFailedToBind("::1", 1, errors.New("no")); err.Error() != "failed to bind gateway socket on ws://[::1]:1: no" {
		t.Errorf("got %v", err)
	}
}
