package doctor

// Codes about the profile's config.
const (
	ConfigMissing    Code = "config-missing"
	ConfigInvalid    Code = "config-invalid"
	ConfigWarning    Code = "config-warning"
	ConfigIncomplete Code = "config-incomplete"
	ConfigNode       Code = "config-node"
	WorkspaceMissing Code = "workspace-missing"
	BindOpen         Code = "bind-open"
	AuthWeakened     Code = "auth-weakened"
	RepairOpen       Code = "repair-interrupted"
)

func stateCodes() []CodeDoc {
	return []CodeDoc{
		{ConfigMissing, Error, Rewrite, "The profile has no config file.", "path", "Setup makes one."},
		{ConfigInvalid, Error, ByHand, "The config has an error.", "path, key; message: line and reason", "Mend the named place of the file."},
		{ConfigWarning, Info, ByHand, "The config has something that does nothing yet.", "path, key", "Nothing, or remove the key."},
		{ConfigIncomplete, Error, Rewrite, "The config lacks what a gateway needs to start: its mode or a credential.", "path; message: what is missing", "Setup adds it."},
		{ConfigNode, Info, ByHand, "The state dir was made by the Node product of this name, which may still use it.", "path; key: what tells", "Stop that product first. Its keys stay."},
		{WorkspaceMissing, Warning, ByHand, "The agent's workspace is missing, or is no directory that can be written.", "path; have", "Make it, or name another in agents.defaults.workspace."},
		{BindOpen, Info, ByHand, "The gateway listens on more than this machine.", "path, key gateway.bind; have", "Nothing, if it is meant; else set gateway.bind to \"loopback\"."},
		{AuthWeakened, Warning, ByHand, "The config turns off a part of what keeps strangers out.", "path, key; have", "Remove the key."},
		{RepairOpen, Warning, Rewrite, "A repair or an undo has not ended: it was interrupted, or is under way.", "path of its journal; key: its ID", "It is finished where its files are as it knew them, else put back."},
	}
}

// Codes about permissions, owners, logs and disk of the profile's files.
const (
	ConfigMode    Code = "config-permissions"
	StateDirMode  Code = "state-dir-permissions"
	StateDirOwner Code = "state-dir-owner"
	EnvFileMode   Code = "env-file-permissions"
	SecretMode    Code = "secret-permissions"
	LogMode       Code = "log-permissions"
	RegistryMode  Code = "registry-permissions"
	FileOwner     Code = "file-owner"
	NotRegular    Code = "state-file-not-a-file"
	LogUnwritable Code = "log-dir-unwritable"
	LogBudget     Code = "log-over-budget"
	DiskLow       Code = "disk-low"
	DiskTight     Code = "disk-tight"
	InodesLow     Code = "inodes-low"
	ClockSkew     Code = "clock-skew"
)

func fileCodes() []CodeDoc {
	return []CodeDoc{
		{ConfigMode, Warning, Rewrite, "Others can read the config, which holds the token.", "path; have and want: permissions", "It is made private (0600)."},
		{StateDirMode, Warning, Rewrite, "The state dir is open to others, or closed to its owner.", "path; have and want: permissions", "It is made private (0700)."},
		{StateDirOwner, Error, ByHand, "The state dir belongs to another user.", "path; have and want: users", "Run as its owner, or change the owner."},
		{EnvFileMode, Warning, Rewrite, "Others can read the .env file, which holds secrets.", "path; have and want: permissions", "It is made private (0600)."},
		{SecretMode, Warning, Rewrite, "Others can read a file of the state dir that holds secrets.", "path; have and want: permissions", "It is made private (0600, a directory 0700)."},
		{LogMode, Warning, Rewrite, "Others can read the logs.", "path; have and want: permissions", "They are made private (0600, the directory 0700)."},
		{RegistryMode, Warning, Rewrite, "Others can change the registry, and with it what runs where.", "path; have and want: permissions", "Their permission to write is taken."},
		{FileOwner, Error, ByHand, "A file that the gateway needs belongs to another user; most often a command was run with sudo.", "path; have and want: users", "Change the owner."},
		{NotRegular, Error, ByHand, "Something other than a file stands where coderclaw keeps a file.", "path; have: what it is", "Move it away."},
		{LogUnwritable, Error, ByHand, "The log directory cannot be written.", "path; have: why", "Make it a directory that its owner can write."},
		{LogBudget, Warning, ByHand, "The files in the log directory are larger than the profile's log_budget.", "path; have and want: bytes", "The supervisor removes its oldest at its next start. What is not its own has to be removed by hand."},
		{DiskLow, Warning, ByHand, "The disk of the state dir has less than 200 MiB left.", "path; key: the disk; have and want: bytes", "Free some space."},
		{DiskTight, Info, ByHand, "The disk of the state dir has less than 5 % left.", "path; key: the disk; have and want: bytes", "Free some space before long."},
		{InodesLow, Warning, ByHand, "The disk of the state dir has hardly any room for new files: less than 1 % of its inodes.", "path; key: the disk; have and want: inodes", "Remove many small files."},
		{ClockSkew, Warning, ByHand, "The clock of this machine is wrong, or was: files are dated in the future, or it shows a year long past.", "path of the file; have: its time; want: the clock's", "Set the clock; switch on time synchronisation."},
	}
}

// Codes about secrets in the wrong place.
const (
	EnvFileTwice     Code = "env-file-duplicate"
	EnvFileToken     Code = "env-file-token"
	TokenEnvironment Code = "environment-token"
	TokenProcess     Code = "process-secret"
	DeviceTokenStale Code = "device-token-stale"
	DevicesDamaged   Code = "devices-damaged"
)

func secretCodes() []CodeDoc {
	return []CodeDoc{
		{EnvFileTwice, Warning, ByHand, "The .env file sets a variable twice; only the last line counts.", "path; key: the variable", "Remove one of the lines."},
		{EnvFileToken, Warning, ByHand, "The .env file holds a gateway credential that nothing reads; it belongs into gateway.auth of the config.", "path; key: the variable; have: whether it equals the config's", "Remove the line."},
		{TokenEnvironment, Warning, ByHand, "The environment of this shell holds another gateway credential than the config, and commands use that one.", "key: the variable; have and want: fingerprints", "Unset the variable."},
		{TokenProcess, Error, ByHand, "A running process has the gateway's credential in its environment, where others may read it.", "key: the variable; have: pid", "Remove it where the process gets it from, and start the service anew."},
		{DeviceTokenStale, Info, ByHand, "The token that this device keeps for the gateway is no longer the one that the gateway knows. Commands fall back on the shared secret.", "path; key: role; have and want: fingerprints", "Remove the file; the next command gets a new token."},
		{DevicesDamaged, Error, ByHand, "The gateway's list of paired devices cannot be read, so no device gets in.", "path; message: why", "Mend the file, or move it away and pair the devices again."},
	}
}
