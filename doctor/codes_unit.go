package doctor

// Codes about the unit file and what the service manager holds of it.
const (
	UnitDeleted       Code = "unit-deleted"
	UnitEmpty         Code = "unit-empty"
	UnitMasked        Code = "unit-masked"
	UnitDangling      Code = "unit-dangling"
	UnitNotFile       Code = "unit-not-a-file"
	UnitUnreadable    Code = "unit-unreadable"
	UnitUnparsable    Code = "unit-unparsable"
	UnitBytes         Code = "unit-odd-bytes"
	UnitLink          Code = "unit-is-a-link"
	UnitMode          Code = "unit-permissions"
	UnitForeign       Code = "unit-foreign"
	UnitOtherRegistry Code = "unit-of-other-registry"
	UnitNode          Code = "unit-node"
	UnitShadowed      Code = "unit-shadowed"
	UnitDisabled      Code = "unit-disabled"
	UnitExecDrift     Code = "unit-exec-drift"
	UnitWrongProfile  Code = "unit-wrong-profile"
	UnitProgram       Code = "unit-other-program"
	UnitEnvExtra      Code = "unit-env-extra"
	UnitEnvDrift      Code = "unit-env-drift"
	UnitPort          Code = "unit-port"
	UnitSecret        Code = "unit-secret"
	UnitKeyMissing    Code = "unit-key-missing"
	UnitKeyExtra      Code = "unit-key-extra"
	UnitKeyDrift      Code = "unit-key-drift"
	UnitOutdated      Code = "unit-outdated"
	UnitStopClock     Code = "unit-stop-clock"
	UnitStartLimit    Code = "unit-start-limit"
	UnitForeignKey    Code = "unit-foreign-setting"
	UnitHazard        Code = "unit-harmful-setting"
	UnitStale         Code = "unit-stale"
)

const writtenAnew = "The unit file is written as the registry wants it; foreign keys and drop-ins stay. Then reload and restart."

func unitCodes() []CodeDoc {
	return []CodeDoc{
		{UnitDeleted, Error, Rewrite, "The service manager still has the service, but its file is gone.", "path of the file", writtenAnew},
		{UnitEmpty, Error, Rewrite, "The unit file is empty, which systemd takes for a masked unit.", "path", writtenAnew},
		{UnitMasked, Error, Rewrite, "The unit is masked: a link to /dev/null stands in its place, or before it.", "path of the mask", "The mask is lifted and the unit file written."},
		{UnitDangling, Error, Rewrite, "The unit file is a link to a file that is not there, or to itself.", "path; have: where it leads", writtenAnew},
		{UnitNotFile, Error, ByHand, "Something other than a file stands in the place of the unit file.", "path; have: what it is", "Move it away, then install."},
		{UnitUnreadable, Error, ByHand, "The unit file cannot be read.", "path; message: why", "Give yourself read permission."},
		{UnitUnparsable, Error, Rewrite, "The unit file has something for which systemd refuses it as a whole.", "path; message: line and reason", "The unit file is written anew."},
		{UnitBytes, Info, ByHand, "The unit file has bytes that a text file should not have: a byte order mark, zero bytes or line ends of Windows. systemd reads past them.", "path; have: which", "Nothing, or write it anew with `gateway install --force`."},
		{UnitLink, Info, ByHand, "The unit file is a link to another place, whose file a repair would write.", "path; have: where it leads", "Nothing, if another tool keeps that file."},
		{UnitMode, Warning, Rewrite, "Others can change the unit file, and with it what runs.", "path; have and want: permissions", "Their permission to write is taken."},
		{UnitForeign, Error, Forced, "The service file was written by another program.", "path", "It is replaced by ours with --force; `doctor undo` gives it back."},
		{UnitOtherRegistry, Error, Forced, "The service runs the profile of this name of another registry, which is another gateway.", "path; message: which registry", "It is replaced by ours with --force; `doctor undo` gives it back."},
		{UnitNode, Error, Forced, "The service file is that of the Node product of this name.", "path; have: what it starts", "It is replaced by ours with --force; `doctor undo` gives it back."},
		{UnitShadowed, Error, ByHand, "The service manager loads another file of this name, from a directory that comes first.", "path; have: the file that is loaded", "Remove that other file, then reload."},
		{UnitDisabled, Warning, Rewrite, "The service does not start by itself.", "path; have: state; want: the target that should start it", "It is enabled."},
		{UnitExecDrift, Error, Rewrite, "The service starts another program, or ours in another way.", "key ExecStart; have and want: command lines", writtenAnew},
		{UnitWrongProfile, Error, Rewrite, "The service of this profile starts another profile.", "key ExecStart; have and want: command lines", writtenAnew},
		{UnitProgram, Warning, Rewrite, "The service starts this program from another place than the one that looks now.", "key ExecStart; have and want: command lines", "The unit starts the program that looks now. Where the other is right, run doctor with that one."},
		{UnitEnvExtra, Error, Rewrite, "The unit sets a CODERCLAW_ variable that it should not.", "key; have: value", writtenAnew},
		{UnitEnvDrift, Error, Rewrite, "A variable that the unit should set is missing or has another value.", "key; have and want: values", writtenAnew},
		{UnitPort, Warning, Rewrite, "The unit names a port. A supervisor does not read it: the port is gateway.port of the config, else the profile's base port.", "key; have: port in the unit; want: port that counts", "It is removed from the unit."},
		{UnitSecret, Error, Rewrite, "The unit, or a drop-in, holds a secret, which every program of the user can read.", "path and key; never the secret", "It is removed. Replace the secret too: it may have been read."},
		{UnitKeyMissing, Warning, Rewrite, "A setting that the unit should have is missing.", "key; want", writtenAnew},
		{UnitKeyExtra, Warning, Rewrite, "The unit has one of our settings where it should have none.", "key; have", writtenAnew},
		{UnitKeyDrift, Warning, Rewrite, "A setting of the unit has another value than it should.", "key; have and want", writtenAnew},
		{UnitOutdated, Warning, Rewrite, "The unit was written by another version, and this one would write it differently.", "have and want: versions; key: the settings", writtenAnew},
		{UnitStopClock, Warning, Rewrite, "The service manager kills the supervisor before its gateways had the time that the profile grants them to stop.", "key TimeoutStopSec; have; want: drain, grace and a margin", "The time is set as the profile wants it. Where a drop-in sets it, only --force moves that away."},
		{UnitStartLimit, Warning, Rewrite, "The unit's start limit can never stop a loop of failures: it is off, or its interval is shorter than the restarts take.", "key; have; want", "The limit is set. Where a drop-in sets it, only --force moves that away."},
		{UnitForeignKey, Info, ByHand, "The unit file has settings that are not ours. They stay.", "key: their names", "Nothing. A drop-in is a better place for them."},
		{UnitHazard, Warning, ByHand, "A setting that is not ours keeps the service from doing its work.", "path, key; have; message: what it does", "Remove it."},
		{UnitStale, Warning, Act, "The service manager has an older copy of the unit than the disk.", "key; have: as loaded; want: as on disk", "The manager is told to read it again."},
	}
}
