package config

import "regexp"

func uiKeys() []key {
	return []key{
		textKey("seamColor", "", "Accent colour, RRGGBB.").checks(checkColor),
		group("assistant", "How the assistant is shown.",
			textKey("name", "", "Name, at most 50 characters.").checks(atMost(50)),
			textKey("avatar", "", "Picture or sign, at most 200 characters.").checks(atMost(200)),
		),
	}
}

func checkColor(n *node) (string, string) {
	if n.text != "" && !regexp.MustCompile(`^#?[0-9a-fA-F]{6}$`).MatchString(n.text) {
		return "must be a colour", "write it like #33aaff"
	}
	return "", ""
}

func atMost(chars int) func(*node) (string, string) {
	return func(n *node) (string, string) {
		if len([]rune(n.text)) > chars {
			return "must have at most " + plain(float64(chars)) + " characters", ""
		}
		return "", ""
	}
}

func discoveryKeys() []key {
	return []key{
		group("mdns", "On the local network.", enumKey("mode", MDNSOff, "Whether the gateway says that it is there: off not at all, minimal its name, port and certificate, full also the path of the program and the port of ssh. One that only this machine can reach says nothing.",
			MDNSOff, MDNSMinimal, MDNSFull).reads()).reads(),
		group("wideArea", "Beyond it, by DNS.",
			boolKey("enabled", "false", "On or off."),
			textKey("domain", "", "Domain."),
		),
	}
}

func canvasKeys() []key {
	return []key{
		boolKey("enabled", "true", "On or off."),
		textKey("root", "", "Directory."),
		intKey("port", 1, 65535, "", "Port of its own."),
		boolKey("liveReload", "true", "Reload pages when files change."),
	}
}

func talkKeys() []key {
	return []key{
		textKey("voiceId", "", "Voice."),
		record("voiceAliases", "Short names of voices.", textKey("", "", "Voice id.")),
		textKey("modelId", "", "Model."),
		textKey("outputFormat", "", "Sound format."),
		textKey("apiKey", "ELEVENLABS_API_KEY", "Key for it."),
		boolKey("interruptOnSpeech", "true", "Fall silent when somebody speaks."),
	}
}

func webKeys() []key {
	return []key{
		boolKey("enabled", "", "On or off."),
		intKey("heartbeatSeconds", 1, noLimit, "", "Pause between signs of life."),
		group("reconnect", "After a loss.",
			intKey("initialMs", 1, noLimit, "", "First pause."),
			intKey("maxMs", 1, noLimit, "", "Longest pause."),
			numKey("factor", 1, noLimit, "", "Growth of the pause."),
			numKey("jitter", 0, 1, "", "Part of it that is random."),
			intKey("maxAttempts", 0, noLimit, "", "Tries; 0 for no end."),
		),
	}
}

func browserKeys() []key {
	return []key{
		boolKey("enabled", "", "On or off."),
		boolKey("evaluateEnabled", "", "Let agents run scripts in pages."),
		textKey("cdpUrl", "", "Browser that runs already."),
		intKey("remoteCdpTimeoutMs", 0, noLimit, "", "Longest wait for an answer of it."),
		intKey("remoteCdpHandshakeTimeoutMs", 0, noLimit, "", "Longest wait for its connection."),
		textKey("color", "", "Frame colour."),
		textKey("executablePath", "", "Browser program."),
		boolKey("headless", "", "Without a window."),
		boolKey("noSandbox", "", "Insecure: without the sandbox of the browser."),
		boolKey("attachOnly", "", "Never start one."),
		textKey("defaultProfile", "", "Browser profile unless the agent says."),
		group("snapshotDefaults", "Reading of pages.", enumKey("mode", "", "How.", "efficient")),
		record("profiles", "Browser profiles by name.", group("", "One profile.",
			intKey("cdpPort", 1, 65535, "", "Port of its browser."),
			textKey("cdpUrl", "", "Address of its browser."),
			enumKey("driver", "", "How it is driven.", "coderclaw", "extension"),
			textKey("color", "", "Frame colour."),
		)),
	}
}

func updateKeys() []key {
	return []key{
		enumKey("channel", "", "Which versions.", "stable", "beta", "dev"),
		boolKey("checkOnStart", "", "Look when the gateway starts."),
	}
}

func diagnosticsKeys() []key {
	return []key{
		boolKey("enabled", "", "On or off."),
		textsKey("flags", "Parts that are traced."),
		free("otel", "OpenTelemetry export."),
		free("cacheTrace", "Trace of the provider's cache."),
	}
}

func pluginsKeys() []key {
	return []key{
		boolKey("enabled", "", "On or off."),
		textsKey("allow", "Only these."),
		textsKey("deny", "Never these."),
		group("load", "Where they are found.", textsKey("paths", "Files and directories.")),
		group("slots", "Which one fills a role.", textKey("memory", "", "Memory.")),
		record("entries", "Settings by plugin.", group("", "One plugin.",
			boolKey("enabled", "", "On or off."),
			free("config", "Its own settings."),
		)),
		free("installs", "Installed plugins."),
	}
}

func skillsKeys() []key {
	return []key{
		textsKey("allowBundled", "Only these of the built-in ones."),
		group("load", "Where they are found.",
			textsKey("extraDirs", "More directories."),
			boolKey("watch", "", "Notice changes."),
			intKey("watchDebounceMs", 0, noLimit, "", "Pause that ends a change."),
		),
		group("install", "Installing what they need.",
			boolKey("preferBrew", "", "By Homebrew first."),
			enumKey("nodeManager", "", "Package manager of Node.", "npm", "pnpm", "yarn", "bun"),
		),
		free("limits", "Sizes."),
		group("registry", "Where they come from.", textKey("url", "", "Address."), textKey("cli", "", "Command.")),
		record("entries", "Settings by skill.", group("", "One skill.",
			boolKey("enabled", "", "On or off."),
			textKey("apiKey", "", "Key it needs."),
			record("env", "Variables it gets.", textKey("", "", "Value.")),
			free("config", "Its own settings."),
		)),
	}
}

func memoryKeys() []key {
	return []key{
		enumKey("backend", "builtin", "Which.", "builtin", "qmd"),
		enumKey("citations", "", "Name the sources.", "auto", "on", "off"),
		free("qmd", "Settings of qmd."),
	}
}

// channelsKeys names the channels; what stands inside one is the channel's affair
// and passes unchecked.
func channelsKeys() []key {
	channel := func(id, doc string) key { return free(id, doc) }
	return []key{
		group("defaults", "What holds for every channel.",
			enumKey("groupPolicy", "", "Whom it answers in groups.", "open", "disabled", "allowlist"),
			group("heartbeat", "What is shown of runs that start by themselves.",
				boolKey("showOk", "false", "That there was nothing."),
				boolKey("showAlerts", "true", "What there was."),
				boolKey("useIndicator", "true", "A sign in the UI."),
			),
		),
		channel("telegram", "Telegram bot: botToken or tokenFile, dmPolicy, allowFrom, groups, webhookUrl with webhookSecret."),
		channel("whatsapp", "WhatsApp web: accounts, dmPolicy, allowFrom, groups."),
		channel("discord", "Discord bot: token, dm, guilds, intents."),
		channel("irc", "IRC: host, port, tls, nick, channels, nickserv."),
		channel("googlechat", "Google Chat: serviceAccount, audience, webhookPath."),
		channel("slack", "Slack: mode, botToken, appToken, signingSecret, channels."),
		channel("signal", "Signal through signal-cli: account, httpUrl, cliPath."),
		channel("imessage", "iMessage: cliPath, dbPath, service."),
		channel("bluebubbles", "BlueBubbles: serverUrl, password, webhookPath."),
		channel("msteams", "Microsoft Teams: appId, appPassword, tenantId, webhook."),
	}
}
