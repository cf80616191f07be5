package main

import (
	"fmt"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/supervisor/control"
)

// gatewayStatus is the machine form of `gateway status --json`: the family's
// keys, and under "coderclaw" what only we know.
type gatewayStatus struct {
	Service       serviceStatus  `json:"service"`
	Config        configStatus   `json:"config"`
	Gateway       gatewayAddress `json:"gateway"`
	Port          portStatus     `json:"port"`
	LastError     string         `json:"lastError,omitempty"`
	RPC           *rpcStatus     `json:"rpc,omitempty"` // absent with --no-probe
	ExtraServices []extraService `json:"extraServices"`
	Coderclaw     ownStatus      `json:"coderclaw"`
}

type serviceStatus struct {
	Label         string          `json:"label"`
	Loaded        bool            `json:"loaded"`
	LoadedText    string          `json:"loadedText"`
	NotLoadedText string          `json:"notLoadedText"`
	Command       *serviceCommand `json:"command"` // null: nothing is installed
	Runtime       runtimeStatus   `json:"runtime"`
	ConfigAudit   auditStatus     `json:"configAudit"`
}

type serviceCommand struct {
	ProgramArguments []string          `json:"programArguments"`
	Environment      map[string]string `json:"environment,omitempty"`
	SourcePath       string            `json:"sourcePath,omitempty"`
}

type runtimeStatus struct {
	Status         string `json:"status"` // running, stopped or unknown
	State          string `json:"state,omitempty"`
	SubState       string `json:"subState,omitempty"`
	PID            int    `json:"pid,omitempty"`
	LastExitStatus *int   `json:"lastExitStatus,omitempty"`
	Detail         string `json:"detail,omitempty"`
	MissingUnit    bool   `json:"missingUnit,omitempty"`
}

type auditStatus struct {
	OK     bool         `json:"ok"`
	Issues []auditIssue `json:"issues"`
}

type auditIssue struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Detail  string `json:"detail,omitempty"`
	Level   string `json:"level,omitempty"`
}

type configStatus struct {
	CLI    configFile `json:"cli"`
	Daemon configFile `json:"daemon"` // what the service uses: the registry's config of the profile
}

type configFile struct {
	Path   string        `json:"path"`
	Exists bool          `json:"exists"`
	Valid  bool          `json:"valid"`
	Issues []configIssue `json:"issues,omitempty"`
}

type configIssue struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

type gatewayAddress struct {
	BindMode       string `json:"bindMode"`
	BindHost       string `json:"bindHost"`
	CustomBindHost string `json:"customBindHost,omitempty"`
	Port           int    `json:"port"`
	PortSource     string `json:"portSource"`
	ProbeURL       string `json:"probeUrl"`
	ProbeNote      string `json:"probeNote,omitempty"`
}

type portStatus struct {
	Port      int            `json:"port"`
	Status    string         `json:"status"` // free, busy or unknown
	Listeners []portListener `json:"listeners"`
	Hints     []string       `json:"hints"`
}

type portListener struct {
	PID         int    `json:"pid,omitempty"`
	Command     string `json:"command,omitempty"`
	CommandLine string `json:"commandLine,omitempty"`
	User        string `json:"user,omitempty"`
	Address     string `json:"address"`
}

type rpcStatus struct {
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`
	URL   string `json:"url"`
}

// ownStatus keeps apart what people easily take for one thing. Each fact is
// "yes", "no" or "unknown".
type ownStatus struct {
	Profile       string                  `json:"profile"`
	Registered    string                  `json:"registered"` // a service file is in its place
	Loaded        string                  `json:"loaded"`     // the service manager has it
	Alive         string                  `json:"alive"`      // a gateway process lives
	OwnsPort      string                  `json:"ownsPort"`   // and the port is its own, or its supervisor's
	Ready         string                  `json:"ready"`
	Authenticated string                  `json:"authenticated"`            // it accepted our credential
	Fingerprint   string                  `json:"tlsFingerprint,omitempty"` // of the certificate to insist on
	Scope         string                  `json:"scope,omitempty"`          // of the service: user or system
	User          string                  `json:"user,omitempty"`           // as whom a service of the machine runs
	Socket        *socketStatus           `json:"socket,omitempty"`         // the socket unit that holds the ports, if there is one
	Supervisor    *control.Supervisor     `json:"supervisor,omitempty"`
	Instance      *control.Instance       `json:"instance,omitempty"`
	Tailscale     *protocol.Tailscale     `json:"tailscale,omitempty"` // of a gateway that is to be published
	Health        *protocol.HealthSummary `json:"health,omitempty"`    // with --deep
}

// facts are the six in one line, in the order in which one leads to the next.
func (o ownStatus) facts() string {
	return fmt.Sprintf("registered %s · loaded %s · process alive %s · owns the port %s · ready %s · authenticated %s",
		o.Registered, o.Loaded, o.Alive, o.OwnsPort, o.Ready, o.Authenticated)
}

// socketStatus is the socket unit of a service.
type socketStatus struct {
	Path  string `json:"path"`
	State string `json:"state"` // systemd's word, or unknown
}
