package auth

import "github.com/coderclaw/coderclaw/gateway/protocol"

// Reasons of a refusal. Only the log of the gateway tells the finer ones: a
// client is told what Message says.
const (
	ReasonTokenMissing          = "token_missing"
	ReasonTokenMismatch         = "token_mismatch"
	ReasonTokenMissingConfig    = "token_missing_config"
	ReasonPasswordMissing       = "password_missing"
	ReasonPasswordMismatch      = "password_mismatch"
	ReasonPasswordMissingConfig = "password_missing_config"
	ReasonTailscaleUserMissing  = "tailscale_user_missing"
	ReasonTailscaleProxyMissing = "tailscale_proxy_missing"
	ReasonTailscaleWhoisFailed  = "tailscale_whois_failed"
	ReasonTailscaleUserMismatch = "tailscale_user_mismatch"
	ReasonRateLimited           = "rate_limited"
	ReasonDeviceToken           = "device_token_mismatch"
	ReasonOther                 = "unauthorized"

	ReasonProxyConfigMissing  = "trusted_proxy_config_missing"
	ReasonProxyNoProxies      = "trusted_proxy_no_proxies_configured"
	ReasonProxyUntrusted      = "trusted_proxy_untrusted_source"
	ReasonProxyMissingHeader  = "trusted_proxy_missing_header_" // and the header
	ReasonProxyUserMissing    = "trusted_proxy_user_missing"
	ReasonProxyUserNotAllowed = "trusted_proxy_user_not_allowed"
)

// Message is the text of a refusal. The hint in it depends on who asks.
func Message(reason string, client protocol.ClientInfo) string {
	tokenHint, passwordHint := "provide gateway auth token", "provide gateway auth password"
	switch {
	case client.IsControlUI() || client.IsWebchat():
		tokenHint, passwordHint = "open the dashboard URL and paste the token in Control UI settings", "enter the password in Control UI settings"
	case client.Mode == "cli":
		tokenHint, passwordHint = "set gateway.remote.token to match gateway.auth.token", "set gateway.remote.password to match gateway.auth.password"
	}
	switch reason {
	case ReasonTokenMissing:
		return "unauthorized: gateway token missing (" + tokenHint + ")"
	case ReasonTokenMismatch:
		return "unauthorized: gateway token mismatch (" + tokenHint + ")"
	case ReasonPasswordMissing:
		return "unauthorized: gateway password missing (" + passwordHint + ")"
	case ReasonPasswordMismatch:
		return "unauthorized: gateway password mismatch (" + passwordHint + ")"
	case ReasonTokenMissingConfig:
		return "unauthorized: gateway token not configured on gateway (set gateway.auth.token)"
	case ReasonPasswordMissingConfig:
		return "unauthorized: gateway password not configured on gateway (set gateway.auth.password)"
	case ReasonTailscaleUserMissing:
		return "unauthorized: tailscale identity missing (use Tailscale Serve auth or gateway token/password)"
	case ReasonTailscaleProxyMissing:
		return "unauthorized: tailscale proxy headers missing (use Tailscale Serve or gateway token/password)"
	case ReasonTailscaleWhoisFailed:
		return "unauthorized: tailscale identity check failed (use Tailscale Serve auth or gateway token/password)"
	case ReasonTailscaleUserMismatch:
		return "unauthorized: tailscale identity mismatch (use Tailscale Serve auth or gateway token/password)"
	case ReasonRateLimited:
		return "unauthorized: too many failed authentication attempts (retry later)"
	case ReasonDeviceToken:
		return "unauthorized: device token mismatch (rotate/reissue device token)"
	}
	return "unauthorized"
}
