package doctor

// Codes about the program that the service starts.
const (
	BinaryReplaced  Code = "binary-replaced"
	BinaryMissing   Code = "binary-missing"
	BinaryTemporary Code = "binary-temporary"
	BinaryVersioned Code = "binary-versioned"
)

func programCodes() []CodeDoc {
	return []CodeDoc{
		{BinaryReplaced, Warning, Act, "The running supervisor's program file was replaced.", "path; have: pid", "The supervisor is replaced in its place and the gateway restarted, or the service is."},
		{BinaryMissing, Error, Rewrite, "The program that the service starts is gone, or is no program.", "path; key ExecStart; have: what is there", "The unit starts the program that looks now."},
		{BinaryTemporary, Warning, ByHand, "The service starts a program from a directory that is emptied from time to time.", "path; have: directory", "Copy the program to a lasting place and install the service with that one."},
		{BinaryVersioned, Warning, ByHand, "The service starts a program from the directory of one version, which the next update removes.", "path; have: whose directory", "Install the service with the path that updates keep."},
	}
}

// Codes about the processes.
const (
	UnitFailed         Code = "unit-failed"
	UnitStartLimitHit  Code = "unit-start-limit-hit"
	UnitRestarting     Code = "unit-restarting"
	UnitStopped        Code = "unit-stopped"
	UnitOldProcess     Code = "unit-old-process"
	UnitElsewhere      Code = "unit-runs-elsewhere"
	ManagerGone        Code = "manager-unreachable"
	NotInstalled       Code = "service-not-installed"
	SupervisorMute     Code = "supervisor-not-answering"
	SupervisorByHand   Code = "supervisor-by-hand"
	GatewayByHand      Code = "gateway-by-hand"
	VersionSkew        Code = "version-skew"
	InstanceDown       Code = "instance-not-ready"
	InstanceQuarantine Code = "instance-quarantined"
	ConfigDegraded     Code = "config-degraded"
	CrashesRecent      Code = "crashes-recent"

	CredentialNotApplied Code = "credential-not-applied"
)

func runningCodes() []CodeDoc {
	return []CodeDoc{
		{UnitFailed, Error, Act, "The service has failed and is not started again by itself.", "have: result and exit status", "The failure is reset and the service started."},
		{UnitStartLimitHit, Error, Act, "The service failed so often that the manager has given up.", "have: restarts and result", "The count is reset and the service started."},
		{UnitRestarting, Error, ByHand, "The service fails again and again, and the manager starts it each time.", "have: restarts and result", "See the reason in the journal."},
		{UnitStopped, Error, Act, "The service is down though nobody stopped it through coderclaw.", "have: state", "It is started."},
		{UnitOldProcess, Warning, Act, "The running process was started from an older unit file.", "have and want: command lines", "The service is restarted, unless a drop-in or another program's file would have it start something else."},
		{UnitElsewhere, Error, ByHand, "The service's process runs, but no supervisor holds the profile: it works for another registry or profile.", "have: pid", "Restart the service."},
		{ManagerGone, Warning, ByHand, "The service manager cannot be asked.", "message: why", "Log in on a session with a user bus, or enable lingering; where no service manager runs, keep `coderclaw supervisor run` up with the init that there is."},
		{NotInstalled, Info, ByHand, "The profile has no service.", "path where it would be", "Install one with `gateway install`, if one is wanted."},
		{SupervisorMute, Error, ByHand, "The supervisor's process lives, but does not answer on its control socket.", "have: pid", "End it with kill -9 PID; its gateways end with it, and a service starts it anew."},
		{SupervisorByHand, Warning, ByHand, "A supervisor that the service did not start runs the profile, so the service cannot.", "have: pid", "End it, then start the service."},
		{GatewayByHand, Warning, ByHand, "A gateway that a person started has the state dir, so the service's gateway cannot run.", "have: pid", "End it, then start the service."},
		{VersionSkew, Info, ByHand, "The running supervisor is of another version than this program.", "have and want: versions", "Replace it in its place with `supervisor reexec`."},
		{InstanceDown, Error, ByHand, "The supervisor runs, but its gateway is not ready.", "have: state; message: reason", "See the reason."},
		{InstanceQuarantine, Error, ByHand, "The gateway died so often in the same way that it is not started any more.", "message: reason", "Mend the cause, then start it. A changed config or program releases it too."},
		{ConfigDegraded, Warning, ByHand, "The gateway runs on its last good config, because the one on disk is invalid.", "path of the config; message: why", "Mend the config; the gateway takes it up by itself."},
		{CredentialNotApplied, Error, Act, "The gateway asks for another credential than its config says now, so commands that read the config are refused.", "path of the config; key", "The gateway is restarted; its siblings are left alone."},
		{CrashesRecent, Info, ByHand, "The gateway crashed within the last 24 hours. Five times or more is a warning.", "have: how often and how; path of the crash records", "See them with `crashes`."},
	}
}
