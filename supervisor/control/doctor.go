package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Bounds of one run of doctor that a supervisor makes for a rescue gateway.
const (
	// DoctorTime is how long it may take. A repair waits for what it has started to come up.
	DoctorTime = 5 * time.Minute
	// DoctorOutput is how many bytes of its output are passed on, and DoctorLine how many
	// of one line: a report on a profile takes some kilobytes.
	DoctorOutput = 1 << 20
	DoctorLine   = 64 << 10
)

// maxDoctorAnswer bounds the stream that carries DoctorOutput bytes: each may
// take six in JSON, and an empty line takes what surrounds it.
const maxDoctorAnswer = 64 << 20

// Streams that a line of doctor can come from.
const (
	Stdout = "stdout"
	Stderr = "stderr"
)

// DoctorOut is one line of the answer to POST /v1/doctor/PROFILE, which is
// newline-delimited JSON: what doctor prints, and last how it ended.
type DoctorOut struct {
	Stream string `json:"stream,omitempty"` // stdout or stderr; "" in the last
	Line   string `json:"line,omitempty"`   // without its newline
	Exit   *int   `json:"exit,omitempty"`   // only in the last: exit code, -1 when a signal ended it
}

// Doctor has the supervisor run `doctor --json` on a profile outside of any
// isolation, with repair also mend what can be mended, and returns its exit code.
// line is called for each line that doctor prints, in order. The run goes on when
// ctx ends; only its answer is given up.
func (c *Client) Doctor(ctx context.Context, profile string, repair bool, line func(stream, text string)) (exit int, err error) {
	path := "/v1/doctor/" + url.PathEscape(profile)
	if repair {
		path += "?repair=1"
	}
	res, err := c.send(ctx, http.MethodPost, path)
	if err != nil {
		return -1, err
	}
	defer res.Body.Close()
	exit, err = readDoctor(res.Body, line)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return -1, fmt.Errorf("doctor of profile %s: %w", profile, err)
	}
	return exit, nil
}

// readDoctor reads the answer up to the exit code.
func readDoctor(r io.Reader, line func(stream, text string)) (exit int, err error) {
	dec := json.NewDecoder(io.LimitReader(r, maxDoctorAnswer))
	for {
		var out DoctorOut
		err := dec.Decode(&out)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return -1, errors.New("the supervisor ended, or its answer was too long, before doctor had ended")
		case err != nil:
			return -1, fmt.Errorf("the supervisor's answer: %w", err)
		case out.Exit != nil:
			return *out.Exit, nil
		}
		line(out.Stream, out.Line)
	}
}
