package profiles

import (
	"bytes"
	"fmt"
	"regexp"
)

// MetricsPort is the port of 127.0.0.1 on which a supervisor shows its metrics, 0
// for none. It lies in no profile's block.
func (r *Registry) MetricsPort() int {
	if r.settings.MetricsPort == nil {
		return 0
	}
	return *r.settings.MetricsPort
}

// checkMetricsPort makes sure that the port is one, and not a profile's.
func (r *Registry) checkMetricsPort() error {
	port := r.MetricsPort()
	if r.settings.MetricsPort == nil {
		return nil
	}
	if port < 1 || port > 65535 {
		return r.atMetricsPort(fmt.Errorf("%d is not a port, 1 to 65535", port))
	}
	if p, taken := r.Owner(port, ""); taken {
		return r.atMetricsPort(fmt.Errorf("%d lies in the port block %d-%d of profile %s; choose another", port, p.Port, p.Block().Last(), p.Name))
	}
	return nil
}

// atMetricsPort adds to err the file and the line of the key, which stands in its
// table or is written out.
func (r *Registry) atMetricsPort(err error) error {
	where := r.path
	key := regexp.MustCompile(`(?m)^[ \t]*(?:supervisor[ \t]*\.[ \t]*)?metrics_port[ \t]*=`)
	if at := key.FindIndex(r.raw); at != nil {
		where = fmt.Sprintf("%s:%d", where, 1+bytes.Count(r.raw[:at[0]], []byte("\n")))
	}
	return fmt.Errorf("registry %s: supervisor.metrics_port: %w", where, err)
}
