package main

import (
	"net/url"
	"strings"
)

// urlFault says what is wrong with the address of a gateway, "" when nothing is. A
// certificate can be insisted on only where the connection is encrypted.
func urlFault(address, fingerprint string) string {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss":
		return "is no address of a gateway; write it like ws://host:18789 or wss://host"
	case fingerprint != "" && u.Scheme != "wss":
		return "is not encrypted, so that no certificate can be insisted on; write wss://" + strings.TrimPrefix(u.Redacted(), "ws://")
	}
	return ""
}

// givenURL checks what was given with --url and --tls-fingerprint, and returns the fingerprint.
func givenURL(address, fingerprint string) (string, error) {
	f, err := parseFingerprint(fingerprint)
	if err != nil {
		return "", err
	}
	if fault := urlFault(address, f); fault != "" {
		shown := address
		if u, err := url.Parse(address); err == nil {
			shown = u.Redacted()
		}
		return "", usageError("--url %q %s", shown, fault)
	}
	return f, nil
}
