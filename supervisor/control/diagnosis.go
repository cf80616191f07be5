package control

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/coderclaw/coderclaw/instance"
)

// Unknown stands for the state of a profile whose supervisor lives and does not answer.
const Unknown instance.State = "unknown"

// Diagnosis is one profile that does not serve as it should.
type Diagnosis struct {
	Profile    string         `json:"profile"`
	State      instance.State `json:"state"` // one of instance.States, or Unknown
	Reason     string         `json:"reason"`
	Since      time.Time      `json:"since,omitzero"` // when the state was entered, zero where that is not known
	LastExit   *instance.Exit `json:"lastExit"`       // null until a child died
	Supervisor int            `json:"supervisor"`     // pid, 0 when none runs the profile
	Unit       string         `json:"unit"`           // that started the supervisor, or that should run one; "" if none
}

// Report is the answer to GET /v1/diagnosis: what is wrong with the profiles of
// the supervisor and, as far as it can see, with those of others.
type Report struct {
	Wrong  []Diagnosis `json:"wrong"`            // empty when all is well
	Unseen string      `json:"unseen,omitempty"` // why that may not be all, "" if it is
}

// What counts as backing off for long: a start that fails once or twice, or a
// short pause, mends itself more often than not.
const (
	longWait  = 5 * time.Second
	manyTries = 3 // deaths in a row before ready
)

// Diagnose tells whether the instance is in trouble that does not pass by itself
// within seconds. unit is the one that started its supervisor, "" if none.
func Diagnose(i Instance, unit string) (Diagnosis, bool) {
	d := Diagnosis{Profile: i.Profile, State: i.State, Reason: i.Reason, Since: i.Since, LastExit: i.LastExit, Supervisor: i.Supervisor, Unit: unit}
	wrong := false
	switch i.State {
	case instance.Quarantined, instance.Blocked, instance.Unhealthy, Unknown:
		wrong = true
	case instance.BackingOff:
		wrong = i.Tries >= manyTries || i.NextTry != nil && i.NextTry.Sub(i.Since) >= longWait
	case instance.Starting:
		wrong = i.Tries >= manyTries // one of many starts; it would else come and go with each
	}
	return d, wrong
}

// Diagnosis asks what is wrong with the profiles that the supervisor runs or sees.
func (c *Client) Diagnosis(ctx context.Context) (Report, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	var r Report
	res, err := c.send(ctx, http.MethodGet, "/v1/diagnosis")
	if err != nil {
		return r, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&r); err != nil {
		return r, fmt.Errorf("control socket %s: %w", c.socket, err)
	}
	return r, nil
}
