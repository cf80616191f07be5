package main

import (
	"log/slog"
	"net"

	"github.com/coderclaw/coderclaw/gateway/ticket"
	"github.com/coderclaw/coderclaw/internal/localsocket"
	"github.com/coderclaw/coderclaw/profiles"
)

// ticketSocket is where the gateway of p, whose lock this process holds, issues tickets
// for browsers; nil where none can be made, which is no reason not to run.
func ticketSocket(p profiles.Profile, log *slog.Logger) net.Listener {
	l, err := localsocket.Listen(p.StateDir, ticket.SocketName)
	if err != nil {
		log.Warn("coderclaw open will not work", "err", err)
		return nil
	}
	return l
}
