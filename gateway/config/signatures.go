package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/profiles"
)

// The texts by which people and scripts recognise why a gateway does not start
// (spec/cli §22). They exist here and nowhere else.
const (
	missingConfig     = "Missing config."
	startBlocked      = "Gateway start blocked:"
	noTokenConfigured = "Gateway auth is set to token, but no token is configured."
	noPasswordSet     = "Gateway auth is set to password, but no password is configured."
	refusingToBind    = "refusing to bind gateway to"
	alreadyListening  = "another gateway instance is already listening on"
	failedToBind      = "failed to bind gateway socket on"

	misplacedToken = `Found "gateway.token" in config. Use "gateway.auth.token" instead.`
	remoteTokenUse = `"gateway.remote.token" is for remote CLI calls; it does not enable local gateway auth.`
)

// Variables that hold the credential of a gateway outside its config.
const (
	EnvToken    = "CODERCLAW_GATEWAY_TOKEN"
	EnvPassword = "CODERCLAW_GATEWAY_PASSWORD"
)

// errMissingConfig is for a profile without a config file. flag is Profile.Flag.
func errMissingConfig(flag string) error {
	//lint:ignore ST1005 the text is fixed from outside; scripts match it
	return exitcode.With(exitcode.Config, fmt.Errorf("%s Run `coderclaw %ssetup` or set gateway.mode=local (or pass --allow-unconfigured).", missingConfig, flag))
}

// errStartBlocked is for a config whose gateway.mode is not local.
func errStartBlocked(mode string) error {
	if mode == "" {
		mode = "unset"
	}
	//lint:ignore ST1005 the text is fixed from outside; scripts match it
	return exitcode.With(exitcode.Config, fmt.Errorf("%s set gateway.mode=local (current: %s) or pass --allow-unconfigured.", startBlocked, mode))
}

// ErrNoToken is for auth mode token without a token; hint is put behind it.
func ErrNoToken(hint string) error {
	return exitcode.With(exitcode.Auth, errors.New(noTokenConfigured+"\nSet gateway.auth.token (or "+EnvToken+"), or pass --token."+hint))
}

// ErrNoPassword is for auth mode password without a password; hint is put behind it.
func ErrNoPassword(hint string) error {
	return exitcode.With(exitcode.Auth, errors.New(noPasswordSet+"\nSet gateway.auth.password (or "+EnvPassword+"), or pass --password."+hint))
}

// errNoCredential is for a gateway that has neither and whose auth mode nobody chose.
func errNoCredential(flag, hint string) error {
	return exitcode.With(exitcode.Auth, fmt.Errorf("the gateway has no token and no password; make one with: coderclaw %ssetup%s", flag, hint))
}

// errBindWithoutAuth is for an address that others can reach and no credential.
func errBindWithoutAuth(addr netip.AddrPort) error {
	return exitcode.With(exitcode.Auth, fmt.Errorf("%s %s without auth (set gateway.auth.token/password, or set %s/%s)",
		refusingToBind, addr, EnvToken, EnvPassword))
}

// ErrAlreadyListening is for a port at which another gateway answers.
func ErrAlreadyListening(host string, port int) error {
	return exitcode.With(exitcode.Busy, fmt.Errorf("%s ws://%s", alreadyListening, joinHostPort(host, port)))
}

// ErrFailedToBind is for any other reason why the socket cannot be had.
func ErrFailedToBind(host string, port int, err error) error {
	return fmt.Errorf("%s ws://%s: %w", failedToBind, joinHostPort(host, port), err)
}

func joinHostPort(host string, port int) string {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(port)
}

// flagOf is what a person types after coderclaw to mean p, "" for a gateway that no
// registry knows: its variables are in the caller's environment already.
func flagOf(p profiles.Profile) string {
	if p.Name == "" {
		return ""
	}
	return p.Flag()
}
