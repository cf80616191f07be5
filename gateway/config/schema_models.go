package config

func modelsKeys() []key {
	return []key{
		enumKey("mode", "merge", "Whether the providers here join the built-in ones or stand alone.", "merge", "replace"),
		record("providers", "Providers by id.", lazy("", "One provider.", providerKeys)),
		group("bedrockDiscovery", "Finding the models of Amazon Bedrock.",
			boolKey("enabled", "", "On or off."),
			textKey("region", "", "Region."),
			textsKey("providerFilter", "Only these makers."),
			intKey("refreshInterval", 0, noLimit, "", "Seconds between looks."),
			intKey("defaultContextWindow", 1, noLimit, "", "Context of models that do not say."),
			intKey("defaultMaxTokens", 1, noLimit, "", "Answer length of models that do not say."),
		),
	}
}

func apiKey() key {
	return enumKey("api", "", "Protocol spoken.", "openai-completions", "openai-responses", "anthropic-messages", "google-generative-ai",
		"github-copilot", "bedrock-converse-stream", "ollama", "transformers")
}

func providerKeys() []key {
	return []key{
		textKey("baseUrl", "", "Address. Required."),
		textKey("apiKey", "", "Key for it."),
		enumKey("auth", "", "Kind of login.", "api-key", "aws-sdk", "oauth", "token"),
		apiKey(),
		record("headers", "HTTP headers sent along.", textKey("", "", "Value.")),
		boolKey("authHeader", "", "Send the key as Authorization."),
		listOf("models", "Its models. Required.", lazy("", "", modelKeys)),
	}
}

func modelKeys() []key {
	return []key{
		textKey("id", "", "Name at the provider. Required."),
		textKey("name", "", "Name for people. Required."),
		apiKey(),
		boolKey("reasoning", "false", "It can think."),
		listOf("input", "What it takes; text unless set.", enumKey("", "", "", "text", "image")),
		group("cost", "Price a million tokens.",
			numKey("input", 0, noLimit, "0", "Read."),
			numKey("output", 0, noLimit, "0", "Written."),
			numKey("cacheRead", 0, noLimit, "0", "Read from the cache."),
			numKey("cacheWrite", 0, noLimit, "0", "Written to the cache."),
		),
		numKey("contextWindow", 1, noLimit, "200000", "Tokens it sees."),
		numKey("maxTokens", 1, noLimit, "8192, or the window if smaller", "Longest answer."),
		record("headers", "HTTP headers sent along.", textKey("", "", "Value.")),
		free("compat", "Deviations from the protocol."),
	}
}

func authKeys() []key {
	return []key{
		record("profiles", "Logins by id.", group("", "One login.",
			textKey("provider", "", "Provider id."),
			enumKey("mode", "", "Kind.", "api_key", "oauth", "token"),
			textKey("email", "", "Account."),
		)),
		record("order", "Logins to try in order, by provider.", textsKey("", "Login ids.")),
		group("cooldowns", "Rest after failures.",
			numKey("billingBackoffHours", 0, noLimit, "5", "After a billing failure."),
			record("billingBackoffHoursByProvider", "Other values by provider.", numKey("", 0, noLimit, "", "Hours.")),
			numKey("billingMaxHours", 0, noLimit, "24", "Longest rest."),
			numKey("failureWindowHours", 0, noLimit, "24", "Over which failures add up."),
		),
	}
}
