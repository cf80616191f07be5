package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/gateway/statelock"
	"github.com/coderclaw/coderclaw/gateway/ticket"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

const openDescription = "A browser on this machine is let in without pairing, for 12 hours: the gateway gives this command a link that works once, within a minute.\n" +
	"The link is handed to the browser in a private file, not on a command line that others can read. Without a browser the link is printed."

func openFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "no-open", Usage: "print the link and start no browser"},
		&cli.BoolFlag{Name: "json", Usage: "print the link as JSON and start no browser"},
	}
}

func (a *app) openCommand() *cli.Command {
	return &cli.Command{
		Name: "open", Usage: "open the Control UI of a gateway in the browser", ArgsUsage: "[PROFILE]", Description: openDescription,
		Flags: openFlags(),
		Action: func(ctx context.Context, c *cli.Command) error {
			switch c.Args().Len() {
			case 0:
			case 1:
				name := c.Args().First()
				if a.profileFlag != "" && a.profileFlag != name || a.devFlag && name != profiles.Dev {
					return usageError("open %s: another profile is named by a flag; choose one", name)
				}
				a.profileFlag, a.devFlag = name, false
			default:
				return usageError("open takes one PROFILE, got %d", c.Args().Len())
			}
			return a.open(ctx, c)
		},
	}
}

func (a *app) dashboardCommand() *cli.Command {
	return &cli.Command{Name: "dashboard", Usage: "the same as open, for the selected profile", Description: openDescription, Flags: openFlags(), Action: a.open}
}

// open lets a browser of this user in.
func (a *app) open(ctx context.Context, c *cli.Command) error {
	p, _, err := a.profile()
	if err != nil {
		return err
	}
	desk := ticket.NewClient(p.StateDir)
	t, err := a.ticket(ctx, desk, p)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return a.printJSON(t)
	}
	if c.Bool("no-open") {
		return a.printLink(t)
	}
	if why := a.noBrowser(); why != "" {
		fmt.Fprintf(a.stderr, "No browser is started: %s.\n", why)
		return a.printLink(t)
	}
	return a.browse(ctx, desk, t)
}

// deskTime bounds the issue of a ticket, which is done at once.
const deskTime = 5 * time.Second

// ticket asks the gateway of p for one.
func (a *app) ticket(ctx context.Context, desk *ticket.Client, p profiles.Profile) (ticket.Ticket, error) {
	ctx, cancel := context.WithTimeout(ctx, deskTime)
	defer cancel()
	t, err := desk.Issue(ctx)
	switch {
	case err == nil:
		return t, nil
	case errors.Is(err, context.DeadlineExceeded):
		pid := ""
		if h, ok := statelock.Find(p); ok {
			pid = fmt.Sprintf(", pid %d,", h.PID)
		}
		return t, fmt.Errorf("the gateway of %s%s did not answer within %s; what it does says: %s; to restart it: %s",
			nameForPeople(p), pid, deskTime, hint(p, "gateway status"), hint(p, "gateway restart"))
	case errors.Is(err, fs.ErrPermission):
		return t, fmt.Errorf("the gateway of %s belongs to another user, and lets in only that user's browser: %w; run this command as that user, or with sudo", nameForPeople(p), err)
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED):
		if h, ok := statelock.Find(p); ok {
			return t, fmt.Errorf("the gateway of %s, pid %d, has no socket %s in %s: it is older than this program, has just begun or is about to end, or its log says why; to restart it: %s",
				nameForPeople(p), h.PID, ticket.SocketName, p.StateDir, hint(p, "gateway restart"))
		}
		if remote := a.remoteGateway(p); remote != "" {
			return t, fmt.Errorf("the gateway of %s is %s (gateway.mode is remote in %s), and gives tickets only to its own machine; run there: coderclaw open --no-open",
				nameForPeople(p), remote, p.ConfigPath)
		}
		return t, exitcode.With(exitcode.NotRunning, fmt.Errorf("the gateway of %s is not running; start it with: %s", nameForPeople(p), startHint(p)))
	}
	return t, fmt.Errorf("ticket from the gateway of %s: %w", nameForPeople(p), err)
}

// remoteGateway is the URL of the gateway that p's config means in place of one on this
// machine, "" for none.
func (a *app) remoteGateway(p profiles.Profile) string {
	snap, _, err := a.configOf(p)
	if err != nil || snap.Config.Gateway.Mode != "remote" {
		return ""
	}
	return firstOf(target{url: snap.Config.Gateway.Remote.URL}.shown(), "one without an address")
}

func nameForPeople(p profiles.Profile) string {
	if !p.Registered() {
		return "state dir " + p.StateDir
	}
	return "profile " + p.Name
}

// startHint is the command that starts the gateway of p.
func startHint(p profiles.Profile) string {
	if !p.Registered() {
		return "coderclaw gateway run"
	}
	if _, _, err := control.Find(p); err == nil {
		return "coderclaw supervisor start " + p.Name
	}
	return "coderclaw up " + p.Name + ", or " + hint(p, "gateway start")
}

// printLink prints the link for a person who opens it.
func (a *app) printLink(t ticket.Ticket) error {
	left := time.Until(time.UnixMilli(t.ExpiresAtMs)).Round(time.Second)
	if _, err := fmt.Fprintf(a.stdout, "Dashboard URL: %s\n", t.URL); err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "It works once, within %s, for whoever has it.\n", left)
	if line := a.tunnel(t); line != "" {
		fmt.Fprintf(a.stderr, "From another machine, first run there: %s\n", line)
	}
	return nil
}

// tunnel is the ssh command that makes the gateway's origin valid on the machine that the
// person sits at, "" when that is this one.
func (a *app) tunnel(t ticket.Ticket) string {
	u, err := url.Parse(t.Origin)
	if err != nil || envValue(a.env, "SSH_CONNECTION") == "" {
		return ""
	}
	host, err := os.Hostname()
	if err != nil {
		return ""
	}
	return fmt.Sprintf("ssh -N -L %s:%s %s@%s", firstOf(u.Port(), "443"), u.Host, firstOf(envValue(a.env, "USER"), envValue(a.env, "LOGNAME"), "USER"), host)
}
