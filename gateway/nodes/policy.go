package nodes

import (
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/gateway/protocol"
)

// Policy is what the config adds to, and takes from, the commands that a platform may offer.
type Policy struct{ Allow, Deny []string }

// Commands that a node of some kind may carry out without being named in the
// config. What records or changes something of a person is in none of the lists.
func systemSet() []string {
	return []string{protocol.CommandRun, protocol.CommandWhich, "system.notify", "browser.proxy"}
}

func canvasSet() []string {
	return []string{"canvas.present", "canvas.hide", "canvas.navigate", "canvas.eval", "canvas.snapshot", "canvas.a2ui.push", "canvas.a2ui.pushJSONL", "canvas.a2ui.reset",
		"camera.list", "location.get"}
}

func personalSet() []string {
	return []string{"device.info", "device.status", "contacts.search", "calendar.events", "reminders.list", "photos.latest", "motion.activity", "motion.pedometer"}
}

// platformOf sorts a client by what it says of itself.
func platformOf(c protocol.ClientInfo) string {
	for _, text := range []string{c.Platform, c.DeviceFamily} {
		text = strings.ToLower(strings.TrimSpace(text))
		for _, known := range []struct{ prefix, platform string }{
			{"ios", "ios"}, {"ipados", "ios"}, {"iphone", "ios"}, {"ipad", "ios"}, {"android", "android"}, {"mac", "macos"}, {"darwin", "macos"}, {"win", "windows"}, {"linux", "linux"},
		} {
			if strings.HasPrefix(text, known.prefix) {
				return known.platform
			}
		}
	}
	return ""
}

// allowed lists the commands that a client may carry out as a node.
func (p Policy) allowed(c protocol.ClientInfo) []string {
	var list []string
	switch platformOf(c) {
	case "linux", "windows":
		list = systemSet()
	case "macos":
		list = slices.Concat(canvasSet(), personalSet(), systemSet())
	case "ios":
		list = append(slices.Concat(canvasSet(), personalSet()), "system.notify")
	case "android":
		list = slices.Concat(canvasSet(), personalSet())
	default:
		list = slices.Concat(canvasSet(), systemSet())
	}
	for _, extra := range p.Allow {
		if extra = strings.TrimSpace(extra); extra != "" {
			list = append(list, extra)
		}
	}
	return slices.DeleteFunc(list, func(command string) bool {
		return slices.ContainsFunc(p.Deny, func(denied string) bool { return strings.TrimSpace(denied) == command })
	})
}

// Filter returns those of the declared commands that the client may carry out, each once.
func (p Policy) Filter(c protocol.ClientInfo, declared []string) []string {
	allowed, kept := p.allowed(c), []string{}
	for _, command := range declared {
		command = strings.TrimSpace(command)
		if slices.Contains(allowed, command) && !slices.Contains(kept, command) {
			kept = append(kept, command)
		}
	}
	return kept
}

// refusal says why a command may not be sent to a node, "" if it may.
func (p Policy) refusal(c protocol.ClientInfo, declared []string, command string) string {
	switch {
	case !slices.Contains(p.allowed(c), command):
		return "command not allowlisted"
	case len(declared) == 0:
		return "node did not declare commands"
	case !slices.Contains(declared, command):
		return "command not declared by node"
	}
	return ""
}
