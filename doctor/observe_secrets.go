package doctor

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/internal/proctable"
)

// SecretUse is a secret in a place. Have and Want are fit to be shown.
type SecretUse struct{ Name, Path, Have, Want string }

// SecretProcess is a process that has a secret in its environment.
type SecretProcess struct {
	Name string // of the variable
	PID  int
}

// SecretFact is where secrets of the profile were seen beside where they belong.
type SecretFact struct {
	Twice       []string        // variables that the .env file sets in several lines
	Unread      []SecretUse     // credentials of the .env file that the config's go before
	Shell       []SecretUse     // credentials of the person's environment that differ from the config's
	Processes   []SecretProcess // of the service
	Devices     []SecretUse     // tokens of this device that the gateway no longer knows
	DevicesPath string
	DevicesErr  string // why the gateway's list of devices cannot be read, "" if it can
}

func observeSecrets(t Target, o *Observation) {
	p := t.Profile
	env, err := config.LoadEnvFile(p.EnvFile())
	if err != nil {
		env = nil // said of the config
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if isSecretName(name) {
			o.secretsKnown = append(o.secretsKnown, env[name])
		}
	}
	o.Secrets.Twice = config.EnvFileTwice(p.EnvFile())
	o.devices(p.StateDir)
	if o.Config == nil {
		return
	}
	gw := o.Config.Config.Gateway
	for _, s := range []string{gw.Auth.Token, gw.Auth.Password, gw.Remote.Token, gw.Remote.Password} {
		if s != "" {
			o.secretsKnown = append(o.secretsKnown, s)
		}
	}
	for _, c := range []struct{ name, value string }{{config.EnvToken, gw.Auth.Token}, {config.EnvPassword, gw.Auth.Password}} {
		if c.value == "" || gw.Mode == "remote" {
			continue
		}
		if v := env[c.name]; v != "" && !bytes.Contains(o.Config.Raw, []byte("${"+c.name)) {
			use := SecretUse{Name: c.name, Have: "the same as in the config", Want: "only gateway.auth of the config"}
			if v != c.value {
				use.Have, use.Want = fingerprint(v), fingerprint(c.value)
			}
			o.Secrets.Unread = append(o.Secrets.Unread, use)
		}
		if v := lookup(t.Env, c.name); v != "" && v != c.value {
			o.Secrets.Shell = append(o.Secrets.Shell, SecretUse{Name: c.name, Have: fingerprint(v), Want: fingerprint(c.value)})
			o.secretsKnown = append(o.secretsKnown, v)
		}
		for _, pid := range o.servicePIDs(p.Name) {
			if proctable.HasEnv(pid, c.name+"="+c.value) {
				o.Secrets.Processes = append(o.Secrets.Processes, SecretProcess{c.name, pid})
			}
		}
	}
}

func lookup(env func(string) (string, bool), name string) string {
	if env == nil {
		return ""
	}
	if v, ok := env(name); ok {
		return v
	}
	return ""
}

// servicePIDs are the processes of the service: a supervisor and a gateway that
// a person started may have been given a secret on purpose.
func (o *Observation) servicePIDs(profile string) []int {
	var pids []int
	if o.Process != nil {
		pids = append(pids, o.Process.PID)
	}
	if o.Supervisor != nil {
		for _, i := range o.Supervisor.Instances {
			if i.Profile == profile && i.PID != 0 {
				pids = append(pids, i.PID)
			}
		}
	}
	return pids
}

// devices holds the tokens that this device keeps against those that the gateway
// of the same state dir knows.
func (o *Observation) devices(stateDir string) {
	type token struct {
		Token     string `json:"token"`
		RevokedAt int64  `json:"revokedAtMs"`
	}
	var paired map[string]*struct {
		Tokens map[string]*token `json:"tokens"`
	}
	o.Secrets.DevicesPath = filepath.Join(stateDir, "devices", "paired.json")
	switch err := readJSON(o.Secrets.DevicesPath, &paired); {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		o.Secrets.DevicesErr = err.Error()
		return
	}
	var own struct {
		DeviceID string            `json:"deviceId"`
		Tokens   map[string]*token `json:"tokens"`
	}
	path := filepath.Join(stateDir, "identity", "device-auth.json")
	if readJSON(path, &own) != nil {
		return // the next command makes another one
	}
	device := paired[own.DeviceID]
	if device == nil {
		return // it pairs anew
	}
	for _, role := range slices.Sorted(maps.Keys(own.Tokens)) {
		have, want := own.Tokens[role], device.Tokens[role]
		if have == nil || want != nil && want.RevokedAt == 0 && want.Token == have.Token {
			continue
		}
		use := SecretUse{Name: role, Path: path, Have: fingerprint(have.Token), Want: "no token"}
		if want != nil && want.RevokedAt == 0 {
			use.Want = fingerprint(want.Token)
		}
		o.Secrets.Devices = append(o.Secrets.Devices, use)
	}
}

// maxJSON bounds what is read of one file.
const maxJSON = 4 << 20

// readJSON reads a regular file; anything else is refused before it is opened.
func readJSON(path string, into any) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("it is %s", kindOf(info.Mode()))
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxJSON+1))
	if err != nil {
		return err
	}
	if len(raw) > maxJSON {
		return fmt.Errorf("it is larger than %d MiB", maxJSON>>20)
	}
	return json.Unmarshal(raw, into)
}
