package config

func sessionKeys() []key {
	return []key{
		enumKey("scope", "per-sender", "What has a conversation of its own.", "per-sender", "global"),
		enumKey("dmScope", "main", "How direct messages are told apart.", "main", "per-peer", "per-channel-peer", "per-account-channel-peer"),
		record("identityLinks", "Ids that are the same person, by name.", textsKey("", "Ids.")),
		textsKey("resetTriggers", "Messages that begin a new conversation; /new and /reset unless set."),
		resetKey("reset"),
		group("resetByType", "Other rules by kind of chat.", resetKey("direct"), resetKey("dm"), resetKey("group"), resetKey("thread")),
		record("resetByChannel", "Other rules by channel.", resetKey("")),
		intKey("idleMinutes", 1, noLimit, "60 in mode idle", "Former way to say reset.idleMinutes."),
		textKey("store", "one file an agent", "Index file; {agentId} stands for the agent."),
		textKey("mainKey", "main", "Ignored."),
		intKey("typingIntervalSeconds", 1, noLimit, "", "How often typing is shown."),
		typingModeKey(),
		group("sendPolicy", "Where the agent may answer.",
			enumKey("default", "allow", "When no rule matches.", "allow", "deny"),
			listOf("rules", "Rules in order.", group("", "One rule.",
				enumKey("action", "", "What it does.", "allow", "deny"),
				group("match", "Where.",
					textKey("channel", "", "Channel id."),
					textKey("chatType", "", "Kind of chat."),
					textKey("keyPrefix", "", "Beginning of the conversation's key."),
					textKey("rawKeyPrefix", "", "Beginning of the key as stored."),
				),
			)),
		),
		group("agentToAgent", "Agents that write to each other.",
			intKey("maxPingPongTurns", 0, 5, "5", "Answers in a row."),
		),
		group("maintenance", "Tidying the index.",
			enumKey("mode", "warn", "Do it or only say so.", "enforce", "warn"),
			textKey("pruneAfter", "30d", "Age of what goes, as a duration.").or(isNumber),
			intKey("pruneDays", 1, noLimit, "", "Former way to say pruneAfter."),
			intKey("maxEntries", 1, noLimit, "500", "Most entries."),
			textKey("rotateBytes", "10mb", "Size at which the file is rotated.").or(isNumber),
		),
	}
}

func resetKey(name string) key {
	return group(name, "When a conversation begins anew.",
		enumKey("mode", "daily", "Once a day or after a pause.", "daily", "idle"),
		intKey("atHour", 0, 23, "4", "Hour of the day."),
		intKey("idleMinutes", 1, noLimit, "", "Pause."),
	)
}

func messagesKeys() []key {
	return []key{
		textKey("responsePrefix", "", "Put before every answer; auto for the agent's name."),
		textKey("messagePrefix", "", "Put before every message to the agent."),
		groupChatKey(),
		group("queue", "Messages that arrive during a run.",
			textKey("mode", "collect", "What happens to them."),
			record("byChannel", "Other modes by channel.", textKey("", "", "Mode.")),
			intKey("debounceMs", 0, noLimit, "1000", "Pause that ends collecting."),
			record("debounceMsByChannel", "Other pauses by channel.", intKey("", 0, noLimit, "", "Milliseconds.")),
			intKey("cap", 1, noLimit, "20", "Most that wait."),
			textKey("drop", "summarize", "What happens to more."),
		),
		group("inbound", "Joining quick messages of one sender.",
			intKey("debounceMs", 0, noLimit, "0", "Pause that ends it."),
			record("byChannel", "Other pauses by channel.", intKey("", 0, noLimit, "", "Milliseconds.")),
		),
		textKey("ackReaction", "", "Emoji that says a message was seen."),
		enumKey("ackReactionScope", "group-mentions", "Which messages.", "group-mentions", "group-all", "direct", "all"),
		boolKey("removeAckAfterReply", "false", "Take it back with the answer."),
		boolKey("suppressToolErrors", "false", "Do not mention failed tools."),
		free("tts", "Speech output of answers."),
	}
}

func hooksKeys() []key {
	return []key{
		boolKey("enabled", "false", "Take webhooks."),
		textKey("path", "/hooks", "Path below which they arrive."),
		textKey("token", "", "Secret that callers show."),
		textKey("defaultSessionKey", "", "Conversation unless the mapping says."),
		boolKey("allowRequestSessionKey", "false", "Let callers choose the conversation."),
		textsKey("allowedSessionKeyPrefixes", "Beginnings of the keys they may choose."),
		textsKey("allowedAgentIds", "Agents they may start."),
		intKey("maxBodyBytes", 1, noLimit, "262144", "Largest request."),
		textsKey("presets", "Ready-made mappings."),
		textKey("transformsDir", "", "Directory of transform modules."),
		listOf("mappings", "What a webhook does.", lazy("", "", hookMappingKeys)),
		free("gmail", "Mail as it arrives."),
		group("internal", "Handlers for events of the gateway.",
			boolKey("enabled", "", "On or off."),
			listOf("handlers", "Handlers.", free("", "One handler.")),
			record("entries", "Settings by handler.", free("", "Settings.")),
			group("load", "Where handlers are found.", textsKey("extraDirs", "More directories.")),
			free("installs", "Installed handlers."),
		),
	}
}

func hookMappingKeys() []key {
	return []key{
		textKey("id", "", "Name."),
		group("match", "Which webhooks.", textKey("path", "", "Path."), textKey("source", "", "Source in the body.")).isOpen(),
		enumKey("action", "", "What it does.", "wake", "agent"),
		enumKey("wakeMode", "", "When.", "now", "next-heartbeat"),
		textKey("name", "", "Name for people."),
		textKey("agentId", "", "Agent."),
		textKey("sessionKey", "", "Conversation."),
		textKey("messageTemplate", "", "Message with {{places}}."),
		textKey("textTemplate", "", "Wake text with {{places}}."),
		boolKey("deliver", "", "Send the answer to a chat."),
		boolKey("allowUnsafeExternalContent", "", "Insecure: pass the body to the agent unmarked."),
		enumKey("channel", "", "Where the answer goes.", "last", "whatsapp", "telegram", "discord", "irc", "slack", "signal", "imessage", "msteams"),
		textKey("to", "", "Recipient."),
		textKey("model", "", "Model."),
		textKey("thinking", "", "How much it thinks."),
		intKey("timeoutSeconds", 1, noLimit, "", "Longest run."),
		group("transform", "Module that rewrites the request.", textKey("module", "", "File below transformsDir."), textKey("export", "", "Its function.")),
	}
}

func cronKeys() []key {
	return []key{
		boolKey("enabled", "true", "Run jobs."),
		textKey("store", "cron/jobs.json in the state dir", "File of the jobs."),
		intKey("maxConcurrentRuns", 1, noLimit, "1", "Jobs at one time."),
		textKey("webhook", "", "Address told about finished jobs."),
		textKey("webhookToken", "", "Secret shown to it."),
		textKey("sessionRetention", "24h", "How long the conversations of jobs are kept; false for ever.").or(isBool),
	}
}
