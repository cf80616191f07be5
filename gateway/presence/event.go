package presence

import (
	"cmp"
	"context"
	"math"
	"strings"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// Queue is where notes for the agent wait; package sysevents provides it.
type Queue interface{ Add(text string) }

// Events takes what programs say of themselves and of what happens around them.
type Events struct {
	store *Store
	queue Queue
	tell  func() // that the list has changed
}

// NewEvents returns the feature; tell may be called at once from many goroutines.
func NewEvents(store *Store, queue Queue, tell func()) *Events { return &Events{store, queue, tell} }

// Register adds the method system-event.
func (e *Events) Register(m *rpc.Mux) {
	rpc.HandleLoose(m, "system-event", rpc.ScopeAdmin, e.event)
}

func (e *Events) event(_ context.Context, _ *rpc.Session, p protocol.SystemEventParams) (protocol.OK, error) {
	p.Text = strings.TrimSpace(p.Text)
	if p.Text == "" {
		return protocol.OK{}, protocol.Invalid("text required")
	}
	before, after := e.store.said(p)
	if strings.HasPrefix(p.Text, lineStart) {
		e.queue.Add(change(before, after))
	} else {
		e.queue.Add(p.Text)
	}
	e.tell()
	return protocol.OK{OK: true}, nil
}

// Bounds of what is kept of a program, whoever tells of it.
const (
	maxText  = 512 // characters of its line
	maxField = 256 // characters of any other text
	maxList  = 64  // roles, scopes or tags
)

// said notes what was said of a program, and returns its entry as it was, empty for
// one that was not there, and as it is.
func (p *Store) said(e protocol.SystemEventParams) (before, after protocol.PresenceEntry) {
	l, _ := parseLine(e.Text)
	if e.LastInputSeconds != nil && *e.LastInputSeconds >= 0 && *e.LastInputSeconds < math.MaxInt32 {
		seconds := int64(*e.LastInputSeconds)
		l.lastInput = &seconds
	}
	given := protocol.PresenceEntry{
		Host: either(e.Host, l.host), IP: either(e.IP, l.ip), Version: either(e.Version, l.version), Mode: either(e.Mode, l.mode), Reason: either(e.Reason, l.reason),
		Platform: either(e.Platform), DeviceFamily: either(e.DeviceFamily), ModelIdentifier: either(e.ModelIdentifier),
		DeviceID: either(e.DeviceID), InstanceID: either(e.InstanceID),
	}
	at := strings.ToLower(cmp.Or(given.DeviceID, given.InstanceID, given.Host, given.IP, short(e.Text, 64)))

	p.mu.Lock()
	defer p.mu.Unlock()
	before = p.entries[at]
	after = before
	for _, f := range []struct {
		into *string
		text string
	}{
		{&after.Host, given.Host}, {&after.IP, given.IP}, {&after.Version, given.Version}, {&after.Mode, given.Mode}, {&after.Reason, given.Reason},
		{&after.Platform, given.Platform}, {&after.DeviceFamily, given.DeviceFamily}, {&after.ModelIdentifier, given.ModelIdentifier},
		{&after.DeviceID, given.DeviceID}, {&after.InstanceID, given.InstanceID},
	} {
		*f.into = cmp.Or(f.text, *f.into)
	}
	if l.lastInput != nil {
		after.LastInputSeconds = l.lastInput
	}
	after.Roles, after.Scopes = union(before.Roles, few(e.Roles)), union(before.Scopes, few(e.Scopes))
	if tags := few(e.Tags); len(tags) > 0 {
		after.Tags = tags
	}
	after.Text, after.TS = short(e.Text, maxText), p.now().UnixMilli()
	p.putLocked(at, after)
	return before, after
}

// either is the first text that is not blank, within bounds.
func either(texts ...string) string {
	for _, t := range texts {
		if t = strings.TrimSpace(t); t != "" {
			return short(t, maxField)
		}
	}
	return ""
}

func short(text string, most int) string {
	if len(text) <= most { // in bytes, so in characters as well
		return text
	}
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most])
	}
	return text
}

func few(list []string) (out []string) {
	for _, text := range list {
		if text = either(text); text != "" && len(out) < maxList {
			out = append(out, text)
		}
	}
	return out
}

// change tells what is new about a program, "" if nothing is that an agent needs to
// know. That a program is still there is not news.
func change(before, after protocol.PresenceEntry) string {
	who := lineStart + " " + cmp.Or(after.Host, "unknown")
	if after.IP != "" {
		who += " (" + after.IP + ")"
	}
	var news []string
	if after.Version != before.Version {
		news = append(news, "app "+after.Version)
	}
	if after.Mode != before.Mode {
		news = append(news, "mode "+after.Mode)
	}
	if routine := strings.ToLower(after.Reason); after.Reason != before.Reason && routine != "heartbeat" && !strings.HasPrefix(routine, "periodic") {
		news = append(news, "reason "+after.Reason)
	}
	if len(news) == 0 && after.Host == before.Host && after.IP == before.IP {
		return ""
	}
	return strings.Join(append([]string{who}, news...), separator)
}
