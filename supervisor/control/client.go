package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"time"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/lockfile"
	"github.com/coderclaw/coderclaw/internal/proctable"
	"github.com/coderclaw/coderclaw/profiles"
)

// ErrNone says that no supervisor runs the profile.
var ErrNone = errors.New("no supervisor runs this profile")

// Client speaks to one supervisor. It keeps no connection open between calls
// and is safe for concurrent use.
type Client struct{ socket string }

// Find returns the supervisor that holds the profile, ErrNone if there is none.
// What the lock file says counts only while its process lives.
func Find(p profiles.Profile) (*Client, LockInfo, error) {
	raw, err := lockfile.ReadContent(p.SupervisorLock())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, LockInfo{}, ErrNone
	}
	if err != nil {
		return nil, LockInfo{}, fmt.Errorf("supervisor lock: %w", err)
	}
	var info LockInfo
	if json.Unmarshal(raw, &info) != nil || !proctable.Alive(info.PID, info.StartTime) {
		return nil, LockInfo{}, ErrNone // empty after an end in order, or left by a crash
	}
	return New(info.Socket), info, nil
}

// New returns a client of the supervisor that listens at socket.
func New(socket string) *Client { return &Client{socket} }

// answerTime bounds the requests that a supervisor answers at once.
const answerTime = 5 * time.Second

// Status asks what the supervisor runs.
func (c *Client) Status(ctx context.Context) (Status, error) { return c.AskStatus(ctx)() }

// AskStatus is Status in two steps: it returns when the question is on its way, and what
// it returns waits for the answer. That is to be called once, by any goroutine;
// the end of ctx gives the answer up, and so does the time that Status takes at most.
func (c *Client) AskStatus(ctx context.Context) (wait func() (Status, error)) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	x, err := c.begin(ctx, http.MethodGet, "/v1/status")
	return func() (s Status, _ error) {
		defer cancel()
		if err != nil {
			return s, err
		}
		return c.readStatus(x)
	}
}

func (c *Client) readStatus(x *exchange) (s Status, err error) {
	res, err := accepted(x)
	if err != nil {
		return s, err
	}
	defer res.Body.Close()
	text := bytes.NewBuffer(make([]byte, 0, min(max(res.ContentLength, 0), maxAnswer)+bytes.MinRead)) // grows only if no length was said
	if _, err = text.ReadFrom(io.LimitReader(res.Body, maxAnswer)); err == nil {
		s, err = decodeStatus(text.String())
	}
	if err != nil {
		return s, fmt.Errorf("control socket %s: %w", c.socket, err)
	}
	return s, nil
}

// Metrics writes the supervisor's metrics to w, in the text format of Prometheus;
// those of other profiles are left out unless profile is "".
func (c *Client) Metrics(ctx context.Context, profile string, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	path := "/metrics"
	if profile != "" {
		path += "?profile=" + url.QueryEscape(profile)
	}
	res, err := c.send(ctx, http.MethodGet, path)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := io.Copy(w, io.LimitReader(res.Body, maxMetrics+1))
	if err == nil && n > maxMetrics {
		err = fmt.Errorf("the metrics have more than %d bytes", maxMetrics)
	}
	if err != nil {
		return fmt.Errorf("control socket %s: %w", c.socket, err)
	}
	return nil
}

// maxMetrics bounds what Metrics takes: 4 kB a profile, for far more than a machine can run.
const maxMetrics = 32 << 20

// Watch calls fn with the status now and after each change, until ctx ends or
// the supervisor does. Changes that follow each other fast may come as one.
func (c *Client) Watch(ctx context.Context, fn func(Status)) error {
	res, err := c.send(ctx, http.MethodGet, "/v1/watch")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	dec := json.NewDecoder(res.Body)
	for {
		var s Status
		if err := dec.Decode(&s); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return errors.New("the supervisor ended")
			}
			return fmt.Errorf("control socket %s: %w", c.socket, err)
		}
		fn(s)
	}
}

// Start starts the profile's gateway and returns when it is ready, or why it is not.
func (c *Client) Start(ctx context.Context, profile string) error {
	return c.act(ctx, profile, "start")
}

// Stop stops the profile's gateway, which then stays stopped.
func (c *Client) Stop(ctx context.Context, profile string) error { return c.act(ctx, profile, "stop") }

// Restart replaces the profile's gateway and returns when the new one is ready.
func (c *Client) Restart(ctx context.Context, profile string) error {
	return c.act(ctx, profile, "restart")
}

// Shutdown asks the supervisor to stop everything and to end. It returns at once.
func (c *Client) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	res, err := c.send(ctx, http.MethodPost, "/v1/shutdown")
	if err != nil {
		return err
	}
	return res.Body.Close()
}

const (
	// reexecTime bounds a replacement: its preparation 5 s and its gateways 3 s at
	// most, and a new program that starts slowly.
	reexecTime = 30 * time.Second
	// reexecPoll is how often it is looked whether the successor answers.
	reexecPoll = 10 * time.Millisecond
)

// Reexec has a successor, which is what the program file holds now, take the place
// of the supervisor in the same process, with all that it runs. It returns what
// the supervisor was and is when the successor answers, or why none does.
func (c *Client) Reexec(ctx context.Context) (before, after Supervisor, err error) {
	ctx, cancel := context.WithTimeout(ctx, reexecTime)
	defer cancel()
	st, err := c.Status(ctx)
	if err != nil {
		return before, after, err
	}
	before = st.Supervisor
	start, err := proctable.StartTime(before.PID)
	if err != nil {
		return before, after, fmt.Errorf("supervisor pid %d: %w", before.PID, err)
	}
	res, err := c.send(ctx, http.MethodPost, "/v1/reexec")
	if err != nil {
		return before, after, err
	}
	_ = res.Body.Close() // nothing was written through it
	tick := time.NewTicker(reexecPoll)
	defer tick.Stop()
	for {
		st, err := c.Status(ctx)
		switch {
		case err == nil && st.Supervisor.Generation != before.Generation:
			return before, st.Supervisor, nil
		case err == nil && st.Supervisor.ReexecError != "":
			return before, st.Supervisor, fmt.Errorf("supervisor pid %d stays as it is: %s", before.PID, st.Supervisor.ReexecError)
		case err != nil && !proctable.Alive(before.PID, start):
			return before, after, fmt.Errorf("supervisor pid %d ended while it was replaced; its log says why", before.PID)
		}
		select {
		case <-ctx.Done():
			return before, after, fmt.Errorf("supervisor pid %d was not replaced within %s", before.PID, reexecTime)
		case <-tick.C:
		}
	}
}

// Reload has the supervisor read the registry anew; dry only asks what that would
// change. It returns when what was removed or changed has ended.
func (c *Client) Reload(ctx context.Context, dry bool) (Plan, error) {
	res, err := c.send(ctx, http.MethodPost, fmt.Sprintf("/v1/reload?dry=%t", dry))
	if err != nil {
		return Plan{}, err
	}
	defer res.Body.Close()
	var p Plan
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&p); err != nil {
		return p, fmt.Errorf("control socket %s: %w", c.socket, err)
	}
	return p, nil
}

// Restarted returns what became of a restart that was carried out later.
func (c *Client) Restarted(ctx context.Context, id string) (Restart, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	res, err := c.send(ctx, http.MethodGet, "/v1/restarts/"+url.PathEscape(id))
	if err != nil {
		return Restart{}, err
	}
	defer res.Body.Close()
	var r Restart
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&r); err != nil {
		return r, fmt.Errorf("control socket %s: %w", c.socket, err)
	}
	return r, nil
}

// Events calls fn with every transition whose number is above since, and with
// follow goes on with those to come until ctx ends or the supervisor does.
func (c *Client) Events(ctx context.Context, since int64, follow bool, fn func(Event)) error {
	res, err := c.send(ctx, http.MethodGet, fmt.Sprintf("/v1/events?since=%d&follow=%t", since, follow))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	dec := json.NewDecoder(res.Body)
	for {
		var e Event
		err := dec.Decode(&e)
		switch {
		case err == nil:
			fn(e)
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF):
			return nil
		default:
			return fmt.Errorf("control socket %s: %w", c.socket, err)
		}
	}
}

// LaterError says that a restart is carried out later, because the caller runs
// below the gateway that is restarted and may not live to see it.
type LaterError struct{ Profile, ID string }

func (e *LaterError) Error() string {
	return fmt.Sprintf("profile %s is restarted now, and this process, which runs below its gateway, may end with it; the result can be read with: coderclaw supervisor result %s", e.Profile, e.ID)
}

func (c *Client) act(ctx context.Context, profile, verb string) error {
	res, err := c.send(ctx, http.MethodPost, "/v1/profiles/"+url.PathEscape(profile)+"/"+verb)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusAccepted {
		return nil
	}
	var r Result
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&r); err != nil {
		return fmt.Errorf("control socket %s: %w", c.socket, err)
	}
	return &LaterError{Profile: profile, ID: r.RestartID}
}

// send makes a request; an answer other than success becomes an error that
// carries the supervisor's words and exit code.
func (c *Client) send(ctx context.Context, method, path string) (*http.Response, error) {
	x, err := c.begin(ctx, method, path)
	if err != nil {
		return nil, err
	}
	return accepted(x)
}

// accepted is the answer, or the error that it carries.
func accepted(x *exchange) (*http.Response, error) {
	res, err := x.answer()
	if err != nil || res.StatusCode < 300 {
		return res, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", x.socket, err)
	}
	var r Result
	if json.Unmarshal(raw, &r) != nil || r.Error == "" { // what answers is no supervisor of this version
		return nil, fmt.Errorf("the supervisor answered %s: %s", res.Status, bytes.TrimSpace(raw))
	}
	return nil, exitcode.With(exitcode.Code(max(r.Code, int(exitcode.Failed))), errors.New(r.Error))
}

// maxAnswer bounds an answer: some hundred instances of some hundred bytes each.
const maxAnswer = 4 << 20
