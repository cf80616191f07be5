package config

// noLimit is the upper bound of numbers that have none: all integers a float64 holds exactly.
const noLimit = 1 << 53

// rootKeys is the schema of the whole file. Blocks are built when they are looked
// at, so a short file costs little.
func rootKeys() []key {
	return []key{
		textKey("$schema", "", "Address of a JSON Schema for editors.").isQuiet(),
		lazy("meta", "Stamp of the program that last wrote the file.", metaKeys).isQuiet(),
		lazy("env", "Variables for ${NAME} in this file. A key directly here wins over the same one in vars; neither replaces a variable that has a value.", envKeys).reads(),
		lazy("gateway", "The gateway process: where it listens and whom it lets in.", gatewayKeys).reads(),
		lazy("logging", "What is logged and how.", loggingKeys).reads(),
		lazy("agents", "The agents that the gateway runs.", agentsKeys).reads(),
		listOf("bindings", "Which agent answers where; the first that matches counts.", bindingKey()),
		lazy("broadcast", "Chats that several agents answer at once, by peer id.", broadcastKeys).isOpen(),
		lazy("models", "Model providers and their models.", modelsKeys),
		lazy("tools", "What agents may do.", toolsKeys),
		lazy("session", "How conversations are told apart, reset and kept.", sessionKeys),
		lazy("messages", "How messages are queued, grouped and answered.", messagesKeys),
		lazy("hooks", "Incoming webhooks and what they start.", hooksKeys),
		lazy("cron", "Jobs that run by the clock.", cronKeys),
		lazy("channels", "Chat services, by channel id.", channelsKeys),
		lazy("auth", "Logins at model providers.", authKeys),
		lazy("commands", "Chat commands and who may use them.", commandsKeys),
		lazy("approvals", "Where requests for approval are shown.", approvalsKeys),
		lazy("plugins", "Extensions of the gateway.", pluginsKeys),
		lazy("skills", "Instructions that agents load when needed.", skillsKeys),
		lazy("memory", "The store behind the memory of agents.", memoryKeys),
		lazy("ui", "Look of the Control UI.", uiKeys),
		lazy("discovery", "How other devices find the gateway.", discoveryKeys).reads(),
		lazy("canvasHost", "Files that agents show in a browser.", canvasKeys),
		lazy("talk", "Speech output.", talkKeys),
		lazy("web", "The WhatsApp web connection.", webKeys),
		lazy("browser", "The browser that agents drive.", browserKeys),
		lazy("update", "Looking for new versions.", updateKeys),
		lazy("diagnostics", "Traces for finding faults.", diagnosticsKeys),
		group("media", "Received files.", boolKey("preserveFilenames", "", "Keep the names that files were sent under.")),
		group("nodeHost", "This machine as a node of another gateway.", free("browserProxy", "Browser access lent to the gateway.")),
		free("localBrain", "A model on this machine."),
		free("wizard", "What the configuration wizard last did.").isQuiet(),
	}
}

// movedKeys maps a former name of a key to where its value belongs now.
func movedKeys() map[string]string {
	m := map[string]string{
		"gateway.token":                       "gateway.auth.token",
		"agent":                               "agents.defaults",
		"identity":                            "agents.list[].identity",
		"memorySearch":                        "agents.defaults.memorySearch",
		"audio":                               "tools.media.audio",
		"routing":                             "bindings, agents.list and messages",
		"tools.bash":                          "tools.exec",
		"messages.queue.byProvider":           "messages.queue.byChannel",
		"agents.defaults.modelFallbacks":      "agents.defaults.model.fallbacks",
		"agents.defaults.imageModelFallbacks": "agents.defaults.imageModel.fallbacks",
		"agents.defaults.allowedModels":       "agents.defaults.models",
		"agents.defaults.modelAliases":        "agents.defaults.models.*.alias",
	}
	for _, id := range []string{"whatsapp", "telegram", "discord", "slack", "signal", "imessage", "msteams"} {
		m[id] = "channels." + id
	}
	return m
}

// movedMessage is what a person reads about a former name.
func movedMessage(path, to string) (message, fix string) {
	if path == "gateway.token" {
		return misplacedToken, "Move its value there and remove the old key."
	}
	return "this key has moved", "use " + to + " instead"
}

func textKey(name, def, doc string) key { return key{name: name, types: isText, def: def, doc: doc} }

func enumKey(name, def, doc string, words ...string) key {
	return key{name: name, types: isText, enum: words, def: def, doc: doc}
}

func boolKey(name, def, doc string) key { return key{name: name, types: isBool, def: def, doc: doc} }

func intKey(name string, lo, hi float64, def, doc string) key {
	return key{name: name, types: isInt, lo: lo, hi: hi, def: def, doc: doc}
}

func numKey(name string, lo, hi float64, def, doc string) key {
	return key{name: name, types: isNumber, lo: lo, hi: hi, def: def, doc: doc}
}

// textsKey is a list of texts.
func textsKey(name, doc string) key { return listOf(name, doc, textKey("", "", "")) }

// idsKey is a list of ids, which people write as texts or as whole numbers.
func idsKey(name, doc string) key { return listOf(name, doc, key{types: isText | isInt}) }

func listOf(name, doc string, item key) key {
	return key{name: name, types: isList, doc: doc, item: &item}
}

// group is an object with known keys.
func group(name, doc string, keys ...key) key {
	return lazy(name, doc, func() []key { return keys })
}

func lazy(name, doc string, keys func() []key) key {
	return key{name: name, types: isObject, doc: doc, keys: keys}
}

// record is an object whose keys a person chooses and whose values are alike.
func record(name, doc string, value key) key {
	value.name = "*"
	return group(name, doc, value)
}

// free is an object that is passed on as it is.
func free(name, doc string) key { return key{name: name, types: isObject, doc: doc} }

func (k key) reads() key { k.read = true; return k }

func (k key) isQuiet() key { k.quiet = true; return k }

func (k key) isOpen() key { k.open = true; return k }

func (k key) or(t types) key { k.types |= t; return k }

func (k key) checks(f func(*node) (message, fix string)) key { k.check = f; return k }

// allRead marks every key of a list.
func allRead(keys ...key) []key {
	for i := range keys {
		keys[i].read = true
	}
	return keys
}
