package main

import (
	"context"
	"errors"
	"fmt"
	"html"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/coderclaw/coderclaw/gateway/ticket"
)

// openers are the programs that show a file in the browser of the person, in the order
// in which they are tried.
func openers() []string {
	if runtime.GOOS == "darwin" {
		return []string{"open"}
	}
	return []string{"xdg-open", "x-www-browser", "www-browser"}
}

// noBrowser says why no browser can be started for the person who typed this, "" if one can.
func (a *app) noBrowser() string {
	switch {
	case envValue(a.env, "SSH_CONNECTION") != "":
		return "this is a session over ssh"
	case runtime.GOOS == "windows":
		return "open the link in yours"
	case envValue(a.env, "SUDO_USER") != "":
		return "the browser is that of " + envValue(a.env, "SUDO_USER") + ", and this is sudo"
	case runtime.GOOS != "darwin" && envValue(a.env, "DISPLAY") == "" && envValue(a.env, "WAYLAND_DISPLAY") == "":
		return "there is no display here"
	}
	if _, err := opener(); err != nil {
		return err.Error()
	}
	return ""
}

func opener() (string, error) {
	for _, name := range openers() {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no %s here", openers()[0])
}

// patience is how long a browser may take before the link is printed as well.
const patience = 15 * time.Second

// browse has the person's browser show the ticket, and returns when it has or when the
// ticket is too old. The browser gets it in a file that only this user can read: what
// stands on a command line can be read by all users of the machine, and the first to show
// a ticket is let in.
func (a *app) browse(ctx context.Context, desk *ticket.Client, t ticket.Ticket) error {
	program, err := opener()
	if err != nil {
		return err
	}
	file, err := linkFile(a.linkDir(), t.URL)
	if err != nil {
		return err
	}
	defer os.Remove(file)
	cmd := exec.Command(program, file) // no context: the browser stays when this command has ended
	cmd.SysProcAttr = ownSession()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("browser: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	fmt.Fprintf(a.stdout, "Dashboard URL: %s\n", t.Home)

	type result struct {
		used bool
		err  error
	}
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan result, 1)
	go func() {
		used, err := desk.Wait(waiting, t)
		done <- result{used, err}
	}()
	slow := time.NewTimer(patience)
	defer slow.Stop()
	for {
		select {
		case r := <-done:
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case r.err != nil:
				return fmt.Errorf("the gateway ended meanwhile: %w", r.err)
			case !r.used:
				return errors.New("no browser has opened the link within a minute; for one to open by hand add: --no-open")
			}
			fmt.Fprintln(a.stdout, "Opened in your browser.")
			return nil
		case err := <-ended:
			if err == nil {
				ended = nil // it has passed the file on
				continue
			}
			fmt.Fprintf(a.stderr, "No browser was started: %s: %v\n", program, err)
			return a.printLink(t)
		case <-slow.C:
			fmt.Fprintln(a.stderr, "The browser has not shown the page so far. By hand:")
			if err := a.printLink(t); err != nil {
				return err
			}
		}
	}
}

// linkDir is where the browser can read a file. One out of a snap sees nothing of the
// directories for temporary files, and in the home only what has no dot in front.
func (a *app) linkDir() string {
	home := envValue(a.env, "HOME")
	if _, err := os.Stat("/snap/bin"); err == nil && home != "" {
		return home
	}
	return "" // the usual one
}

// linkFile makes the file that leads a browser to the link.
func linkFile(dir, link string) (path string, err error) {
	f, err := os.CreateTemp(dir, "coderclaw-open-*.html") // mode 0600
	if err != nil {
		return "", fmt.Errorf("a file for the browser: %w", err)
	}
	_, err = fmt.Fprintf(f, "<!doctype html><meta charset=\"utf-8\"><title>coderclaw</title><meta name=\"referrer\" content=\"no-referrer\">\n"+
		"<a id=\"go\" href=\"%s\">Open the gateway</a><script>location.replace(document.getElementById('go').href)</script>\n", html.EscapeString(link))
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		os.Remove(f.Name())
		return "", fmt.Errorf("a file for the browser: %w", err)
	}
	return f.Name(), nil
}
