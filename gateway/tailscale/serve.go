package tailscale

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// published is the part of `tailscale serve status --json` that counts here.
type published struct {
	Web map[string]struct { // by name and port
		Handlers map[string]struct {
			Proxy, Path, Text string
		}
	}
	AllowFunnel map[string]bool
}

// httpsPort is where serve and funnel publish unless told otherwise.
const httpsPort = "443"

// root returns the name at which / of the port 443 is published, and where it leads:
// the port of this machine, 0 if that is something else. name is "" when nothing is.
func (p published) root() (name string, port int, what string) {
	for at, site := range p.Web {
		host, atPort, err := net.SplitHostPort(at)
		h, ok := site.Handlers["/"]
		if err != nil || atPort != httpsPort || !ok {
			continue
		}
		what := h.Proxy + h.Path + h.Text
		if u, err := url.Parse(h.Proxy); err == nil && (u.Hostname() == "127.0.0.1" || u.Hostname() == "localhost") {
			port, _ = strconv.Atoi(u.Port())
		}
		return host, port, what
	}
	return "", 0, ""
}

func (c CLI) status(ctx context.Context) (published, error) {
	var p published
	raw, err := c.run(ctx, "serve", "status", "--json")
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return p, fmt.Errorf("tailscale serve status: its answer is no JSON: %w", err)
	}
	return p, nil
}

// publish has serve or funnel lead to the port, and returns the address at which it
// is found. What leads elsewhere is not replaced.
func (c CLI) publish(ctx context.Context, verb string, port int, encrypted bool) (string, error) {
	before, err := c.status(ctx)
	if err != nil {
		return "", err
	}
	if name, to, what := before.root(); name != "" && to != port {
		return "", fmt.Errorf("https://%s leads to %s already; end that with: tailscale serve --https=443 off", name, what)
	}
	target := strconv.Itoa(port)
	if encrypted {
		target = "https+insecure://127.0.0.1:" + target // the certificate is the gateway's own
	}
	if _, err := c.run(ctx, verb, "--bg", "--yes", target); err != nil {
		return "", err
	}
	after, err := c.status(ctx)
	if err != nil {
		return "", err
	}
	name, to, _ := after.root()
	open := after.AllowFunnel[net.JoinHostPort(name, httpsPort)]
	switch {
	case to != port:
		return "", fmt.Errorf("tailscale %s was silent, but publishes no port %d", verb, port)
	case verb == "funnel" && !open:
		return "", fmt.Errorf("tailscale funnel was silent, but https://%s is not open to the internet", name)
	case verb == "serve" && open:
		return "", fmt.Errorf("https://%s is open to the internet by an earlier funnel; end that with: tailscale funnel --https=443 off", name)
	}
	return "https://" + strings.TrimSuffix(name, "."), nil
}

// takeBack ends what publish did, and nothing else that the user publishes.
func (c CLI) takeBack(ctx context.Context, verb string) error {
	_, err := c.run(ctx, verb, "--https="+httpsPort, "off")
	return err
}
