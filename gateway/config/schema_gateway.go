package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
)

func gatewayKeys() []key {
	return []key{
		intKey("port", 1, 65535, "the base port of the profile", "Port for WebSocket, HTTP and Control UI.").reads(),
		enumKey("mode", "", "local runs the gateway here; remote means that commands talk to gateway.remote and no gateway starts. Unset blocks the start.", "local", "remote").reads(),
		enumKey("bind", BindLoopback, "Where to listen: loopback and auto this machine, lan all IPv4 interfaces, tailnet the address in 100.64.0.0/10, custom the address of customBindHost. Never widens.",
			BindLoopback, BindAuto, BindLAN, BindTailnet, BindCustom).reads(),
		textKey("customBindHost", "", "Address for bind custom.").checks(checkBindHost).reads(),
		group("auth", "How clients prove who they are.", gatewayAuthKeys()...).reads(),
		listOf("trustedProxies", "Proxies whose forwarding headers are believed: addresses or CIDR ranges.", textKey("", "", "").checks(checkProxy)).reads(),
		group("controlUi", "The web interface.",
			boolKey("enabled", "true", "Serve the Control UI.").reads(),
			textKey("basePath", "", "Path below which it is served.").reads(),
			textKey("root", "the built-in page", "Directory with the built files of another Control UI: absolute, or below ~/.").checks(checkWorkspace).reads(),
			textsKey("allowedOrigins", "Browser origins that may connect besides the own one.").reads(),
			boolKey("allowInsecureAuth", "false", "Insecure: let the UI connect over plain HTTP without a device identity.").reads(),
			boolKey("dangerouslyDisableDeviceAuth", "false", "Insecure: ask the UI for no device identity at all.").reads(),
		).reads(),
		group("remote", "The gateway that commands talk to in mode remote.",
			textKey("url", "", "Its address, ws:// or wss://.").checks(checkRemoteURL).reads(),
			textKey("token", "", "Token for it. It does not protect the local gateway.").reads(),
			textKey("password", "", "Password for it.").reads(),
			enumKey("transport", "", "How to reach it.", "ssh", "direct"),
			textKey("tlsFingerprint", "", "SHA-256 of the certificate to insist on, instead of one that this machine trusts.").checks(checkFingerprint).reads(),
			textKey("sshTarget", "", "user@host:port over which `gateway probe` looks for it.").reads(),
			textKey("sshIdentity", "", "Key file for it.").reads(),
		).reads(),
		group("reload", "What a running gateway does when this file changes.",
			enumKey("mode", "hybrid", "off logs it, hot applies what can be applied, restart restarts, hybrid picks.", "off", "restart", "hot", "hybrid"),
			intKey("debounceMs", 0, noLimit, "300", "How long the file must have been quiet."),
		),
		group("tls", "Encryption of the port.",
			boolKey("enabled", "false", "Serve TLS, wss:// and https://, and nothing else.").reads(),
			boolKey("autoGenerate", "true", "Make a certificate for this host when there is none, below gateway/tls in the state dir.").reads(),
			textKey("certPath", "gateway/tls/gateway-cert.pem in the state dir", "Certificate file: absolute, or below ~/.").checks(checkWorkspace).reads(),
			textKey("keyPath", "gateway/tls/gateway-key.pem in the state dir", "Key file: absolute, or below ~/.").checks(checkWorkspace).reads(),
			textKey("caPath", "", "Authority file."),
		).isOpen().checks(checkTLSFiles).reads(),
		group("tailscale", "Publishing through Tailscale.",
			enumKey("mode", TailscaleOff, "serve in the tailnet, funnel to the internet; both only with bind loopback, funnel only with auth mode password.",
				TailscaleOff, TailscaleServe, TailscaleFunnel).reads(),
			boolKey("resetOnExit", "false", "Undo it when the gateway ends.").reads(),
		).reads(),
		group("tools", "Tools that HTTP callers may invoke.",
			textsKey("allow", "Only these."),
			textsKey("deny", "Never these."),
		),
		intKey("channelHealthCheckMinutes", 0, noLimit, "5", "Minutes between checks of the channels; 0 for never."),
		group("http", "HTTP interfaces beside the Control UI.", group("endpoints", "Which are served.",
			group("chatCompletions", "The OpenAI chat interface.", boolKey("enabled", "false", "Serve it.")),
			group("responses", "The OpenAI responses interface.",
				boolKey("enabled", "false", "Serve it."),
				intKey("maxBodyBytes", 1, noLimit, "", "Largest request."),
				intKey("maxUrlParts", 0, noLimit, "8", "Most parts that name a URL."),
				free("files", "Limits for files."),
				free("images", "Limits for images."),
			),
		)),
		group("nodes", "Connected devices.",
			group("browser", "Browser on a device.",
				enumKey("mode", "auto", "Which device is used.", "auto", "manual", "off"),
				textKey("node", "", "The device in mode manual."),
			),
			textsKey("allowCommands", "Commands that devices may carry out besides the usual.").reads(),
			textsKey("denyCommands", "Commands that they may not.").reads(),
		).reads(),
	}
}

func gatewayAuthKeys() []key {
	return []key{
		enumKey("mode", "password if one is set, else token", "token or password; trusted-proxy believes a proxy of trustedProxies that names the user; none lets only paired devices in and works on loopback only.",
			AuthToken, AuthPassword, AuthNone, AuthTrustedProxy).reads(),
		textKey("token", "", "Shared secret for mode token.").reads(),
		textKey("password", "", "Shared secret for mode password.").reads(),
		boolKey("allowTailscale", "true under tailscale serve, beside a token", "Accept the user that Tailscale vouches for in place of the secret; the device has to be paired all the same.").reads(),
		group("rateLimit", "Lock out addresses that fail too often; not counted when absent.", allRead(
			intKey("maxAttempts", 1, 1e6, "10", "Failures that lead to a lockout."),
			intKey("windowMs", 1, maxMillis, "60000", "Time over which they are counted."),
			intKey("lockoutMs", 1, maxMillis, "300000", "How long the address is refused."),
			boolKey("exemptLoopback", "true", "Never lock out this machine."),
		)...).reads(),
		group("trustedProxy", "Users named by a proxy, for mode trusted-proxy.", allRead(
			textKey("userHeader", "", "Header that names the user. Required."),
			textsKey("requiredHeaders", "Headers that must be present and not empty."),
			textsKey("allowUsers", "Users that may come in; all when empty."),
		)...).reads(),
	}
}

const maxMillis = 1e12 // 31 years; keeps milliseconds inside time.Duration

func checkBindHost(n *node) (string, string) {
	_, err := parseBindHost(n.text)
	switch {
	case err == nil:
		return "", ""
	case n.private:
		return "must be an IP address of this machine", ""
	}
	return err.Error(), ""
}

func checkProxy(n *node) (string, string) {
	if _, err := netip.ParseAddr(n.text); err == nil {
		return "", ""
	}
	if _, err := netip.ParsePrefix(n.text); err == nil {
		return "", ""
	}
	return fmt.Sprintf("%s is neither an IP address nor a CIDR range", describe(n)), "write it like 10.0.0.1 or 10.0.0.0/8"
}

func checkRemoteURL(n *node) (string, string) {
	const fix = "write it like ws://host:18789 or wss://host"
	if n.text == "" {
		return "", ""
	}
	u, err := url.Parse(n.text)
	if err != nil || u.Host == "" || !slices.Contains([]string{"ws", "wss"}, u.Scheme) {
		return "must be a WebSocket address", fix
	}
	return "", ""
}

func envKeys() []key {
	return []key{
		record("vars", "Variables by name.", textKey("", "", "Value of the variable.").reads()).reads(),
		group("shellEnv", "Taking variables from a login shell.",
			boolKey("enabled", "false", "Ask the shell."),
			intKey("timeoutMs", 1, noLimit, "15000", "How long to wait for it."),
		),
		textKey("*", "", "Value of the variable of that name.").reads(),
	}
}

func loggingKeys() []key {
	levels := []string{"silent", "fatal", "error", "warn", "info", "debug", "trace"}
	return []key{
		enumKey("level", defaultLevel, "Least severe lines that reach the log file.", levels...).reads(),
		enumKey("consoleLevel", defaultLevel, "Least severe lines that reach the console; --verbose shows debug.", levels...).reads(),
		boolKey("enabled", "true", "Write a log file."),
		enumKey("format", "json", "Form of the log file.", "json", "text"),
		textKey("file", "logs/coderclaw-YYYY-MM-DD.log in the state dir", "Log file."),
		enumKey("consoleStyle", "pretty on a terminal, else compact", "Form of the console lines.", "pretty", "compact", "json"),
		enumKey("redactSensitive", "tools", "Where secrets are blotted out.", "off", "tools"),
		textsKey("redactPatterns", "Regular expressions for secrets instead of the built-in ones."),
	}
}

func metaKeys() []key {
	return []key{
		textKey("lastTouchedVersion", "", "Version that last wrote the file."),
		textKey("lastTouchedAt", "", "When."),
	}
}
