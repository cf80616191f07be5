package auth

import (
	"net/http"
	"slices"
	"strings"
)

// byProxy judges a request in the mode trusted-proxy: one of the trusted proxies
// sent it, with everything that is required, and named a user who may come in. The
// reason is "" then.
func (s Settings) byProxy(r *http.Request) (reason string) {
	if s.Proxy == nil {
		return ReasonProxyConfigMissing
	}
	if len(s.TrustedProxies) == 0 {
		return ReasonProxyNoProxies
	}
	if remote := parseIP(r.RemoteAddr); !trusts(s.TrustedProxies, remote) {
		return ReasonProxyUntrusted
	}
	for _, name := range s.Proxy.RequiredHeaders {
		if strings.TrimSpace(r.Header.Get(name)) == "" {
			return ReasonProxyMissingHeader + strings.ToLower(name)
		}
	}
	user, ok := only(r, s.Proxy.UserHeader)
	switch {
	case !ok:
		return ReasonProxyUserNotAllowed
	case user == "":
		return ReasonProxyUserMissing
	case len(s.Proxy.AllowUsers) > 0 && !slices.Contains(s.Proxy.AllowUsers, user):
		return ReasonProxyUserNotAllowed
	}
	return ""
}

// only is the value of a header that names somebody; false when the header is there
// several times, as behind a proxy that adds its own to what the client has written.
func only(r *http.Request, name string) (value string, ok bool) {
	values := r.Header.Values(name)
	if len(values) == 0 {
		return "", true
	}
	return strings.TrimSpace(values[0]), len(values) == 1
}
