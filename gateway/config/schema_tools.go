package config

func toolsKeys() []key {
	return append(toolPolicyKeys(),
		record("byProvider", "Other rules for a provider or model.", group("", "Its rules.", toolPolicyKeys()...)),
		group("web", "Reading the web.",
			group("search", "Searching.",
				boolKey("enabled", "", "On or off."),
				enumKey("provider", "", "Whose search.", "brave", "perplexity", "grok"),
				textKey("apiKey", "", "Key for it."),
				intKey("maxResults", 1, noLimit, "", "Most results."),
				intKey("timeoutSeconds", 1, noLimit, "", "Longest wait."),
				numKey("cacheTtlMinutes", 0, noLimit, "", "How long results are reused."),
				free("brave", "Settings of Brave."),
				free("perplexity", "Settings of Perplexity."),
				free("grok", "Settings of Grok."),
			),
			group("fetch", "Reading pages.",
				boolKey("enabled", "", "On or off."),
				intKey("maxChars", 1, noLimit, "", "Most characters of a page."),
				intKey("maxCharsCap", 1, noLimit, "50000", "Most that a call may ask for."),
				intKey("timeoutSeconds", 1, noLimit, "", "Longest wait."),
				numKey("cacheTtlMinutes", 0, noLimit, "", "How long pages are reused."),
				intKey("maxRedirects", 0, noLimit, "3", "Redirects followed."),
				textKey("userAgent", "", "Name given to servers."),
			),
		),
		group("media", "Understanding files.",
			listOf("models", "Models for it.", free("", "One model.")),
			intKey("concurrency", 1, noLimit, "", "At one time."),
			free("image", "Pictures."),
			free("audio", "Sound."),
			free("video", "Films."),
		),
		free("links", "Understanding links."),
		group("sessions", "Tools that look at conversations.",
			enumKey("visibility", "tree", "Which they see.", "self", "tree", "agent", "all"),
		),
		loopDetectionKey(),
		group("message", "Sending messages.",
			boolKey("allowCrossContextSend", "", "Former way to allow all of crossContext."),
			group("crossContext", "To other chats than the current one.",
				boolKey("allowWithinProvider", "true", "On the same service."),
				boolKey("allowAcrossProviders", "false", "On other services."),
				free("marker", "Sign that such a message carries."),
			),
			group("broadcast", "To many chats.", boolKey("enabled", "true", "On or off.")),
		),
		group("agentToAgent", "Agents that write to each other.",
			boolKey("enabled", "false", "On or off."),
			textsKey("allow", "Which agents."),
		),
		elevatedKey(),
		execKey(),
		fsKey(),
		group("subagents", "What started agents may do.", group("tools", "Their rules.", toolPolicyKeys()...), modelKey("model", "Their model.").or(isText)),
		group("sandbox", "What may be done in a container.", group("tools", "The rules there.", toolPolicyKeys()...)),
	)
}

func agentToolsKeys() []key {
	return append(toolPolicyKeys(),
		record("byProvider", "Other rules for a provider or model.", group("", "Its rules.", toolPolicyKeys()...)),
		elevatedKey(),
		execKey(),
		fsKey(),
		loopDetectionKey(),
		group("sandbox", "What it may do in a container.", group("tools", "The rules there.", toolPolicyKeys()...)),
	)
}

func toolPolicyKeys() []key {
	return []key{
		enumKey("profile", "", "Set of tools to start from.", "minimal", "coding", "messaging", "full"),
		textsKey("allow", "Only these tools."),
		textsKey("alsoAllow", "These besides the set; not together with allow."),
		textsKey("deny", "Never these."),
	}
}

func loopDetectionKey() key {
	return group("loopDetection", "Stopping an agent that repeats itself.",
		boolKey("enabled", "false", "On or off."),
		intKey("historySize", 1, noLimit, "30", "Calls looked at."),
		intKey("warningThreshold", 1, noLimit, "10", "Repeats that warn."),
		intKey("criticalThreshold", 1, noLimit, "20", "Repeats that block the tool."),
		intKey("globalCircuitBreakerThreshold", 1, noLimit, "30", "Repeats that end the run."),
		free("detectors", "Which kinds of repeats."),
	)
}

func elevatedKey() key {
	return group("elevated", "Work outside the sandbox.",
		boolKey("enabled", "true", "On or off."),
		record("allowFrom", "Who may ask for it, by channel.", idsKey("", "Sender ids.")),
	)
}

func fsKey() key {
	return group("fs", "File tools.", boolKey("workspaceOnly", "false", "Keep them inside the workspace."))
}

func execKey() key {
	return group("exec", "Running commands.",
		enumKey("host", "gateway", "Where.", "sandbox", "gateway", "node"),
		enumKey("security", "deny in a sandbox, else allowlist", "Which commands.", "deny", "allowlist", "full"),
		enumKey("ask", "on-miss", "When a person is asked.", "off", "on-miss", "always"),
		textKey("node", "", "Device for host node."),
		textsKey("pathPrepend", "Directories put before PATH."),
		textsKey("safeBins", "Programs that need no approval."),
		intKey("backgroundMs", 0, noLimit, "10000", "After which a command goes on in the background."),
		numKey("timeoutSec", 0, noLimit, "1800", "Longest run."),
		intKey("cleanupMs", 0, noLimit, "1800000", "How long the output of a finished one is kept."),
		boolKey("notifyOnExit", "true", "Tell the agent when one in the background ends."),
		boolKey("notifyOnExitEmptySuccess", "false", "Even if it said nothing and succeeded."),
		intKey("approvalRunningNoticeMs", 0, noLimit, "10000", "After which a person hears that an approved command still runs."),
		group("applyPatch", "The tool that patches files.",
			boolKey("enabled", "false", "On or off."),
			boolKey("workspaceOnly", "true", "Keep it inside the workspace."),
			textsKey("allowModels", "Models that get it."),
		),
	)
}

func approvalsKeys() []key {
	return []key{group("exec", "Commands that wait for a person.",
		boolKey("enabled", "", "Show them in chats."),
		enumKey("mode", "", "Where.", "session", "targets", "both"),
		textsKey("agentFilter", "Only these agents."),
		textsKey("sessionFilter", "Only these conversations."),
		listOf("targets", "Chats that are told.", group("", "One chat.",
			textKey("channel", "", "Channel id."),
			textKey("to", "", "Recipient."),
			textKey("accountId", "", "Account of the channel."),
			textKey("threadId", "", "Thread.").or(isInt),
		)),
	)}
}

func commandsKeys() []key {
	auto := func(name, doc string) key { return enumKey(name, "auto", doc, "auto").or(isBool) }
	return []key{
		auto("native", "Register commands with the chat service."),
		auto("nativeSkills", "Register skills as commands."),
		boolKey("text", "true", "Understand commands typed as text."),
		boolKey("bash", "false", "Allow shell commands from chats."),
		intKey("bashForegroundMs", 0, 30000, "2000", "How long such a command is waited for."),
		boolKey("config", "false", "Allow /config."),
		boolKey("debug", "false", "Allow /debug."),
		boolKey("restart", "false", "Allow /restart and the restart signal."),
		boolKey("useAccessGroups", "true", "Apply the allow lists to commands."),
		idsKey("ownerAllowFrom", "Senders that count as the owner."),
		record("allowFrom", "Who may use commands, by channel id or * for all.", idsKey("", "Sender ids.")),
	}
}
