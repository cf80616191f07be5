package gateway

import (
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/profiles"
)

// remedies is the text of every close with protocol.ClosePolicy: why, in the words
// that clients look for at its beginning, and then, in brackets, the profile and the
// command that helps. Only the reason of a close says so: the error that answers a
// request has the words that the protocol fixes, whole.
type remedies struct{ profile string } // "" for a gateway that no registry knows

// Remedy is one command that close reasons name.
type Remedy struct {
	Begins, Holds string // of what was wrong: its beginning, and a word in it; "" for any
	Command       string // below coderclaw
	takes         bool   // it takes what the close is about
}

// fixes are the remedies; the first that fits counts.
var fixes = []Remedy{
	{"pairing required", "", "devices approve", true},
	{"device signature expired", "", "logs", false}, // which says how far the clocks are apart
	{"device ", "", "devices list", false},
	{"unauthorized: device token", "", "devices list", false},
	{"unauthorized: gateway ", "Control UI", "open", false}, // which lets a browser in without a token
	{"unauthorized: gateway ", "", "gateway status", false},
	{"unauthorized: too many", "", "gateway restart", false},
	{"origin not allowed", "", "config get gateway.controlUi.allowedOrigins", false},
	{"control ui requires", "", "open", false},
	{"Error: the store", "", "doctor", false},
	{signedOut, "", "open", false},
	{"", "", "logs", false},
}

// signedOut ends the connection of a browser whose ticket lets it in no longer.
const signedOut = "signed out after a time"

// Remedies are the commands that close reasons name, for the documentation.
func Remedies() []Remedy { return slices.Clone(fixes) }

// reason is text with the remedy, in at most protocol.MaxReason bytes. What does not
// fit goes in this order: what is in round brackets at the end of text, what the
// close is about, the end of text.
func (r remedies) reason(text, about string) string {
	fix := fixes[slices.IndexFunc(fixes, func(f Remedy) bool { // the last fits everything
		return strings.HasPrefix(text, f.Begins) && strings.Contains(text, f.Holds)
	})]
	short, command := fix.Command, fix.Command
	if fix.takes {
		command += " " + about
	}
	brief := text
	if i := strings.LastIndex(text, " ("); i > 0 && strings.HasSuffix(text, ")") {
		brief = text[:i]
	}
	for _, try := range []struct{ text, command string }{{text, command}, {brief, command}, {brief, short}} {
		if whole := try.text + r.brackets(try.command); len(whole) <= protocol.MaxReason {
			return whole
		}
	}
	end := r.brackets(short)
	return protocol.Cut(brief, protocol.MaxReason-len(end)) + end
}

// brackets names the profile once: the default one needs no flag.
func (r remedies) brackets(command string) string {
	flag := profiles.Profile{Name: r.profile}.Flag()
	line := "coderclaw " + flag + strings.TrimSpace(command)
	if flag == "" && r.profile != "" {
		line = r.profile + ": " + line
	}
	return " [" + line + "]"
}
