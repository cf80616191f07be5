package gateway

import (
	"strings"
	"unicode/utf8"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/profiles"
)

// remedies is the text of every close with protocol.ClosePolicy: why, in the words
// that clients look for at its beginning, and then, in brackets, the profile and the
// command that helps. Only the reason of a close says so: the error that answers a
// request has the words that the protocol fixes, whole.
type remedies struct{ profile string } // "" for a gateway that no registry knows

// fixes are the commands, below coderclaw, by the beginning of what was wrong; the
// first that fits counts. Holds is a word that has to follow as well, "" for none. A
// command that ends with a blank takes what the close is about.
var fixes = []struct{ begins, holds, command string }{
	{"pairing required", "", "devices approve "},
	{"device signature expired", "", "logs"}, // which says how far the clocks are apart
	{"device ", "", "devices list"},
	{"unauthorized: device token", "", "devices list"},
	{"unauthorized: gateway ", "Control UI", "open"}, // which lets a browser in without a token
	{"unauthorized: gateway ", "", "gateway status"},
	{"unauthorized: too many", "", "gateway restart"},
	{"origin not allowed", "", "config get gateway.controlUi.allowedOrigins"},
	{"control ui requires", "", "open"},
	{"Error: the store", "", "doctor"},
	{signedOut, "", "open"},
	{"", "", "logs"},
}

// signedOut ends the connection of a browser whose ticket lets it in no longer.
const signedOut = "signed out after a time"

// Remedy is one command that a close reason names.
type Remedy struct{ Begins, Holds, Command string } // Begins is "" for everything else

// Remedies are the commands that close reasons name, for the documentation.
func Remedies() []Remedy {
	var all []Remedy
	for _, f := range fixes {
		all = append(all, Remedy{f.begins, f.holds, strings.TrimSpace(f.command)})
	}
	return all
}

// reason is text with the remedy, in at most protocol.MaxReason bytes. What does not
// fit goes in this order: what is in round brackets at the end of text, what the
// close is about, the end of text.
func (r remedies) reason(text, about string) string {
	command := ""
	for _, f := range fixes {
		if strings.HasPrefix(text, f.begins) && strings.Contains(text, f.holds) {
			command = f.command
			break
		}
	}
	short := strings.TrimSpace(command)
	if strings.HasSuffix(command, " ") {
		command += about
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
	return cut(brief, protocol.MaxReason-len(end)) + end
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

// cut shortens text to that many bytes, between characters.
func cut(text string, size int) string {
	if len(text) <= size {
		return text
	}
	for size > 0 && !utf8.RuneStart(text[size]) {
		size--
	}
	return text[:size]
}
