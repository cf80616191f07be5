package config

import (
	"path/filepath"
	"strings"
)

func agentsKeys() []key {
	return []key{
		lazy("defaults", "What holds for every agent that does not say otherwise.", agentDefaultKeys).reads(),
		listOf("list", "The agents. The first with default true is the default one, else the first.", lazy("", "", agentKeys)),
	}
}

func agentDefaultKeys() []key {
	words := []string{"on", "off"}
	return []key{
		textKey("workspace", "the workspace of the profile", "Directory the agent works in: absolute, or below ~/.").checks(checkWorkspace).reads(),
		modelKey("model", "Model for conversations."),
		modelKey("imageModel", "Model that looks at pictures."),
		record("models", "Models that may be chosen, by provider/model; all when empty.", group("", "Settings of the model.",
			textKey("alias", "", "Short name."),
			free("params", "Parameters passed to the provider."),
			boolKey("streaming", "", "Ask for the answer piece by piece."),
		)),
		textKey("repoRoot", "", "Repository shown to the agent."),
		boolKey("skipBootstrap", "false", "Make no first files in the workspace.").reads(),
		intKey("bootstrapMaxChars", 1, noLimit, "20000", "Most characters of one workspace file in the prompt."),
		intKey("bootstrapTotalMaxChars", 1, noLimit, "150000", "Most characters of all of them."),
		textKey("userTimezone", "the host's", "Time zone told to the agent."),
		enumKey("timeFormat", "auto", "Clock told to the agent.", "auto", "12", "24"),
		textKey("envelopeTimezone", "utc", "Time zone of message headers."),
		enumKey("envelopeTimestamp", "on", "Message headers carry the time.", words...),
		enumKey("envelopeElapsed", "on", "Message headers carry the time since the last one.", words...),
		intKey("contextTokens", 1, noLimit, "the model's, else 200000", "Size of the context."),
		group("contextPruning", "Dropping old tool output from the context.",
			enumKey("mode", "", "When.", "off", "cache-ttl"),
			textKey("ttl", "1h", "Age of the provider's cache that starts it."),
			intKey("keepLastAssistants", 0, noLimit, "", "Answers that stay whole."),
			numKey("softTrimRatio", 0, 1, "", "Fill at which output is shortened."),
			numKey("hardClearRatio", 0, 1, "", "Fill at which output is dropped."),
			intKey("minPrunableToolChars", 0, noLimit, "", "Least output worth it."),
			free("tools", "Which tools."),
			free("softTrim", "How output is shortened."),
			free("hardClear", "How output is dropped."),
		),
		group("compaction", "Summing up a conversation that fills the context.",
			enumKey("mode", "safeguard", "How.", "default", "safeguard"),
			intKey("reserveTokensFloor", 0, noLimit, "", "Tokens kept free."),
			numKey("maxHistoryShare", 0.1, 0.9, "", "Most of the context that history may take."),
			free("memoryFlush", "Saving memories before it."),
		),
		enumKey("thinkingDefault", "", "How much the model thinks.", "off", "minimal", "low", "medium", "high", "xhigh"),
		enumKey("verboseDefault", "", "How much of the work is shown.", "off", "on", "full"),
		enumKey("elevatedDefault", "", "Work outside the sandbox.", "off", "on", "ask", "full"),
		enumKey("blockStreamingDefault", "off", "Send answers in blocks.", words...),
		enumKey("blockStreamingBreak", "text_end", "Where a block ends.", "text_end", "message_end"),
		group("blockStreamingChunk", "Size of blocks.",
			intKey("minChars", 1, noLimit, "", "Least characters."),
			intKey("maxChars", 1, noLimit, "", "Most characters."),
			enumKey("breakPreference", "", "Where to cut.", "paragraph", "newline", "sentence"),
		),
		coalesceKey("blockStreamingCoalesce"),
		humanDelayKey(),
		intKey("timeoutSeconds", 1, noLimit, "none", "Longest run."),
		intKey("maxAutoContinueNudges", 1, noLimit, "3", "How often a run that stopped early is pushed on."),
		numKey("mediaMaxMb", 0, noLimit, "", "Largest received file."),
		intKey("imageMaxDimensionPx", 1, noLimit, "1200", "Longest side of pictures given to models."),
		intKey("typingIntervalSeconds", 1, noLimit, "", "How often typing is shown."),
		typingModeKey(),
		heartbeatKey(true),
		intKey("maxConcurrent", 1, noLimit, "4", "Runs at one time."),
		group("subagents", "Agents started by agents.",
			intKey("maxConcurrent", 1, noLimit, "8", "At one time."),
			intKey("maxSpawnDepth", 1, 5, "1", "How deep they may nest."),
			intKey("maxChildrenPerAgent", 1, 20, "5", "For one parent."),
			intKey("archiveAfterMinutes", 0, noLimit, "60", "When a finished one is put away."),
			modelKey("model", "Their model.").or(isText),
			textKey("thinking", "", "How much they think."),
		),
		sandboxKey(),
		record("cliBackends", "Command line programs used as models.", free("", "Settings of the program.")),
		free("memorySearch", "Searching memories."),
	}
}

// checkWorkspace refuses a path that would depend on where the gateway was started.
func checkWorkspace(n *node) (string, string) {
	if n.text == "" || n.text == "~" || strings.HasPrefix(n.text, "~/") || filepath.IsAbs(n.text) {
		return "", ""
	}
	return "must be an absolute path, is " + describe(n), "begin it with / or ~/"
}

func agentKeys() []key {
	return []key{
		textKey("id", "", "Name in paths and bindings. Required."),
		boolKey("default", "", "Answers where no binding matches."),
		textKey("name", "", "Name for people."),
		textKey("workspace", "workspace-<id> in the state dir", "Directory it works in."),
		textKey("agentDir", "agents/<id> in the state dir", "Directory of its own state; no two agents share one."),
		modelKey("model", "Its model.").or(isText),
		textsKey("skills", "Skills it may use."),
		free("memorySearch", "Searching memories."),
		humanDelayKey(),
		heartbeatKey(false),
		group("identity", "How it presents itself.",
			textKey("name", "", "Name."),
			textKey("theme", "", "Manner."),
			textKey("emoji", "", "Sign."),
			textKey("avatar", "", "Picture: a file in the workspace, an http address or a data URI."),
		),
		groupChatKey(),
		group("subagents", "Agents it may start.",
			textsKey("allowAgents", "Which."),
			modelKey("model", "Their model.").or(isText),
			textKey("thinking", "", "How much they think."),
		),
		sandboxKey(),
		lazy("tools", "What it may do.", agentToolsKeys),
	}
}

func modelKey(name, doc string) key {
	return group(name, doc,
		textKey("primary", "", "provider/model."),
		textsKey("fallbacks", "Tried in order when it fails."),
	)
}

func coalesceKey(name string) key {
	return group(name, "Joining of small blocks.",
		intKey("minChars", 1, noLimit, "", "Least characters."),
		intKey("maxChars", 1, noLimit, "", "Most characters."),
		intKey("idleMs", 0, noLimit, "", "Pause that sends what there is."),
	)
}

func humanDelayKey() key {
	return group("humanDelay", "Pauses between blocks as if typed.",
		enumKey("mode", "off", "Which.", "off", "natural", "custom"),
		intKey("minMs", 0, noLimit, "", "Shortest."),
		intKey("maxMs", 0, noLimit, "", "Longest."),
	)
}

func typingModeKey() key {
	return enumKey("typingMode", "", "When typing is shown.", "never", "instant", "thinking", "message")
}

// heartbeatKey is the block of all agents, which this version acts on, or of one.
func heartbeatKey(ofAll bool) key {
	of := func(k key) key { k.read = ofAll; return k }
	return of(group("heartbeat", "Runs that start by themselves.",
		of(textKey("every", "30m", "How often: a number with ms, s, m, h or d, minutes without; 0 for never.").checks(checkPause)),
		group("activeHours", "When.",
			textKey("start", "", "HH:MM."),
			textKey("end", "", "HH:MM."),
			textKey("timezone", "", "Time zone of both."),
		),
		textKey("model", "", "Model for them."),
		textKey("session", "", "Conversation they belong to."),
		boolKey("includeReasoning", "false", "Send the thoughts too."),
		of(textKey("target", "last", "Where the answer goes: last, none or a channel.")),
		textKey("to", "", "Recipient."),
		textKey("accountId", "", "Account of the channel."),
		of(textKey("prompt", "", "What the agent is told.")),
		of(intKey("ackMaxChars", 0, noLimit, "300", "Longest answer that counts as nothing to report.")),
		boolKey("suppressToolErrorWarnings", "", "Do not mention failed tools."),
	))
}

func sandboxKey() key {
	return group("sandbox", "Running tools in containers.",
		enumKey("mode", "off", "Which conversations.", "off", "non-main", "all"),
		enumKey("workspaceAccess", "", "How the workspace is seen.", "none", "ro", "rw"),
		enumKey("sessionToolsVisibility", "", "Which conversations tools see.", "spawned", "all"),
		enumKey("scope", "", "What shares a container.", "session", "agent", "shared"),
		boolKey("perSession", "", "Former way to say scope session."),
		textKey("workspaceRoot", "", "Directory of the workspaces inside."),
		free("docker", "Container settings."),
		free("browser", "Browser in the container."),
		free("prune", "When containers are removed."),
	)
}

func groupChatKey() key {
	return group("groupChat", "Behaviour in groups.",
		textsKey("mentionPatterns", "Texts that count as being addressed."),
		intKey("historyLimit", 0, noLimit, "50", "Messages that are shown to the agent."),
	)
}

func bindingKey() key {
	return group("", "One rule.",
		textKey("agentId", "", "Agent that answers."),
		group("match", "Where.",
			textKey("channel", "", "Channel id. Required."),
			textKey("accountId", "", "Account of the channel."),
			group("peer", "Person or group.",
				enumKey("kind", "", "Which.", "direct", "group", "channel", "dm"),
				textKey("id", "", "Its id.").or(isInt),
			),
			textKey("guildId", "", "Discord server."),
			textKey("teamId", "", "Slack or Teams team."),
			textsKey("roles", "Discord roles."),
		),
	)
}

func broadcastKeys() []key {
	return []key{
		enumKey("strategy", "parallel", "In which order they answer.", "parallel", "sequential"),
		textsKey("*", "Agent ids for that peer."),
	}
}
