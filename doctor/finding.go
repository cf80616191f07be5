// Package doctor owns the comparison of what should be with what is: for one
// profile it observes the service in its four views (desired, on disk, loaded,
// running), the config, the directories and the port, turns differences into
// findings with stable codes, and mends those that it can. It prints nothing and
// asks nobody.
package doctor

// Severity says how bad a finding is. An info never counts as something left.
type Severity string

// The severities.
const (
	Error   Severity = "error"   // the gateway does not work, or not safely
	Warning Severity = "warning" // it works, but not as it was asked for
	Info    Severity = "info"    // worth knowing
)

// The views in which a finding can be made.
const (
	ViewDisk    = "disk"    // the service file and its drop-ins
	ViewLoaded  = "loaded"  // what the service manager holds
	ViewRunning = "running" // the processes
	ViewConfig  = "config"  // the profile's config and directories
	ViewPort    = "port"
)

// Finding is one difference between what should be and what is.
type Finding struct {
	Code       Code     `json:"code"`
	Severity   Severity `json:"severity"`
	Profile    string   `json:"profile"`
	View       string   `json:"view"`
	Path       string   `json:"path"` // of the file that it is about, "" if none
	Key        string   `json:"key"`  // setting, "" if it is about the whole
	Have       string   `json:"have"`
	Want       string   `json:"want"`
	Message    string   `json:"message"`
	Fix        string   `json:"fix"` // what to do or type
	Repairable bool     `json:"repairable"`
	Repaired   bool     `json:"repaired"`
}

// Code names a kind of finding. Codes are stable: others script against them.
type Code string

// The codes; Codes says what each means.
const (
	UnitDeleted      Code = "unit-deleted"
	UnitEmpty        Code = "unit-empty"
	UnitMasked       Code = "unit-masked"
	UnitDangling     Code = "unit-dangling"
	UnitNotFile      Code = "unit-not-a-file"
	UnitUnreadable   Code = "unit-unreadable"
	UnitForeign      Code = "unit-foreign"
	UnitDisabled     Code = "unit-disabled"
	UnitExecDrift    Code = "unit-exec-drift"
	UnitWrongProfile Code = "unit-wrong-profile"
	UnitEnvExtra     Code = "unit-env-extra"
	UnitEnvDrift     Code = "unit-env-drift"
	UnitKeyMissing   Code = "unit-key-missing"
	UnitKeyExtra     Code = "unit-key-extra"
	UnitKeyDrift     Code = "unit-key-drift"
	UnitDropIn       Code = "unit-drop-in"
	UnitStale        Code = "unit-stale"
	UnitFailed       Code = "unit-failed"
	UnitStopped      Code = "unit-stopped"
	UnitOldProcess   Code = "unit-old-process"
	BinaryReplaced   Code = "binary-replaced"
	ManagerGone      Code = "manager-unreachable"
	NotInstalled     Code = "service-not-installed"
	ConfigMissing    Code = "config-missing"
	ConfigInvalid    Code = "config-invalid"
	ConfigWarning    Code = "config-warning"
	ConfigIncomplete Code = "config-incomplete"
	ConfigMode       Code = "config-permissions"
	StateDirMode     Code = "state-dir-permissions"
	StateDirOwner    Code = "state-dir-owner"
	PortHeld         Code = "port-held"
	InstanceDown     Code = "instance-not-ready"
	SupervisorMute   Code = "supervisor-not-answering"
	RepairOpen       Code = "repair-interrupted"
)

// CodeDoc is the reference entry of a code.
type CodeDoc struct {
	Code       Code
	Severity   Severity
	Repairable bool
	Meaning    string
	Remedy     string
}

// Codes lists every code, in the order of the reference.
func Codes() []CodeDoc {
	const rewrite = "The unit file is written as the registry wants it; foreign keys and drop-ins stay. Then reload and restart."
	return []CodeDoc{
		{UnitDeleted, Error, true, "The service manager still has the service, but its file is gone.", rewrite},
		{UnitEmpty, Error, true, "The unit file is empty, which systemd takes for a masked unit.", rewrite},
		{UnitMasked, Error, true, "The unit is masked: a link to /dev/null stands in its place.", "The mask is lifted and the unit file written."},
		{UnitDangling, Error, true, "The unit file is a link to a file that is not there.", rewrite},
		{UnitNotFile, Error, false, "Something other than a file stands in the place of the unit file.", "Move it away, then install."},
		{UnitUnreadable, Error, false, "The unit file cannot be read.", "Give yourself read permission."},
		{UnitForeign, Error, false, "The service file was written by another program.", "Take it over with `gateway install --force`, or move it away."},
		{UnitDisabled, Warning, true, "The service does not start by itself.", "It is enabled."},
		{UnitExecDrift, Error, true, "The service starts another program, or ours in another way.", rewrite},
		{UnitWrongProfile, Error, true, "The service of this profile starts another profile.", rewrite},
		{UnitEnvExtra, Error, true, "The unit sets a CODERCLAW_ variable that it should not.", rewrite},
		{UnitEnvDrift, Error, true, "A variable that the unit should set is missing or has another value.", rewrite},
		{UnitKeyMissing, Warning, true, "A setting that the unit should have is missing.", rewrite},
		{UnitKeyExtra, Warning, true, "The unit has one of our settings where it should have none.", rewrite},
		{UnitKeyDrift, Warning, true, "A setting of the unit has another value than it should.", rewrite},
		{UnitDropIn, Info, false, "A drop-in changes what the unit file says.", "Nothing, if it is meant; else remove the drop-in."},
		{UnitStale, Warning, true, "The service manager has an older copy of the unit than the disk.", "The manager is told to read it again."},
		{UnitFailed, Error, true, "The service has failed and is not started again by itself.", "The failure is reset and the service started."},
		{UnitStopped, Error, true, "The service is down though nobody stopped it through coderclaw.", "It is started."},
		{UnitOldProcess, Warning, true, "The running process was started from an older unit file.", "The service is restarted."},
		{BinaryReplaced, Warning, true, "The running supervisor's program file was replaced.", "The supervisor is replaced in its place and the gateway restarted, or the service is."},
		{ManagerGone, Warning, false, "The service manager cannot be asked.", "Log in on a session with a user bus, or enable lingering; where no service manager runs, keep `coderclaw supervisor run` up with the init that there is."},
		{NotInstalled, Info, false, "The profile has no service.", "Install one with `gateway install`, if one is wanted."},
		{ConfigMissing, Error, true, "The profile has no config file.", "Setup makes one."},
		{ConfigInvalid, Error, false, "The config has an error.", "Mend the named place of the file."},
		{ConfigWarning, Info, false, "The config has something that does nothing yet.", "Nothing, or remove the key."},
		{ConfigIncomplete, Error, true, "The config lacks what a gateway needs to start: its mode or a credential.", "Setup adds it."},
		{ConfigMode, Warning, true, "Others can read the config, which holds the token.", "It is made private (0600)."},
		{StateDirMode, Warning, true, "The state dir is open to others, or closed to its owner.", "It is made private (0700)."},
		{StateDirOwner, Error, false, "The state dir belongs to another user.", "Run as its owner, or change the owner."},
		{PortHeld, Error, false, "Another program listens on the gateway's port.", "End it, or choose another gateway.port."},
		{SupervisorMute, Error, false, "The supervisor's process lives, but does not answer on its control socket.", "End it with kill -9 PID; its gateways end with it, and a service starts it anew."},
		{RepairOpen, Warning, true, "A repair or an undo has not ended: it was interrupted, or is under way.", "It is finished where its files are as it knew them, else put back."},
		{InstanceDown, Error, false, "The supervisor runs, but its gateway is not ready.", "See the reason."},
	}
}

// doc is the reference entry of c.
func (c Code) doc() CodeDoc {
	for _, d := range Codes() {
		if d.Code == c {
			return d
		}
	}
	panic("doctor: code " + string(c) + " is not in the reference") // a test makes sure that none is missing
}
