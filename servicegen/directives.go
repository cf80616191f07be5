package servicegen

import "slices"

// Directive is one sandboxing directive of systemd and what our units do with
// it. Of System and SystemOut one is set, and of User and UserOut.
type Directive struct {
	Name      string
	System    string // value in a service of the machine, "none" for an empty list
	SystemOut string // why it is left out there
	User      string // value in a service of a user whose profile is isolated
	UserOut   string // why it is left out there
}

// values are what a unit of the level sets, one a line.
func (d Directive) values(h Hardening) []string {
	var out []string
	switch h {
	case HardenUser:
		out = []string{d.User}
	case HardenSystem, HardenRoot:
		out = []string{d.System}
	}
	if d.Name == "SystemCallFilter" && h == HardenRoot {
		out = append(out, rootCalls)
	}
	if len(out) == 1 && out[0] == "" {
		return nil
	}
	return out
}

func isDirective(name string) bool {
	return slices.ContainsFunc(Directives(), func(d Directive) bool { return d.Name == name })
}

// What several directives have in common. What systemd 252 does with them in a
// user's manager was tried, which TestUserManager repeats; that from 254 on they
// bring a user namespace is said by its NEWS and by systemd.exec(5).
const (
	userns  = "; from systemd 254 on it implies PrivateUsers="
	ignored = "a user's manager ignores it (systemd 252)" + userns
	fails   = "in a user's manager the start fails (systemd 252)"
	partly  = "of it a user's manager can only filter system calls (systemd 252)" + userns
)

// Directives lists every sandboxing directive of systemd.exec(5) and of
// systemd.resource-control(5) that systemd-analyze counts, in the order in which
// units hold them. The slice is the caller's own.
func Directives() []Directive {
	return []Directive{
		{Name: "NoNewPrivileges", System: "yes", User: "yes"},
		{Name: "CapabilityBoundingSet", System: noValue,
			UserOut: fails},
		{Name: "AmbientCapabilities",
			SystemOut: "none are given unless it is set", UserOut: "none are given unless it is set"},
		{Name: "ProtectSystem", System: "full", UserOut: ignored},
		{Name: "ProtectHome",
			SystemOut: "registry, state dirs and workspaces lie in homes; Landlock hides from each gateway what is not its own",
			UserOut:   ignored},
		{Name: "PrivateTmp",
			SystemOut: "a control socket whose path is too long lies below /tmp, where the command line looks for it; Landlock hides /tmp from each gateway",
			UserOut:   ignored},
		{Name: "PrivateDevices", System: "yes", UserOut: fails},
		{Name: "PrivateMounts", System: "yes", UserOut: ignored},
		{Name: "PrivateNetwork",
			SystemOut: "a gateway serves clients and calls models over the network", UserOut: "as for the machine"},
		{Name: "PrivateUsers",
			SystemOut: "who holds a port would be shown as nobody, and files of others would seem to have no owner",
			UserOut:   "rootless containers need their subordinate ids, and owners of others' files and processes would be shown as nobody"},
		{Name: "PrivateIPC",
			SystemOut: "tools share memory with programs of the same user, such as a browser or a display server", UserOut: ignored},
		{Name: "ProtectProc",
			SystemOut: "the holder of a port is named from /proc", UserOut: ignored},
		{Name: "ProcSubset",
			SystemOut: "the boot id, memory and load are read from /proc", UserOut: ignored},
		{Name: "ProtectClock", System: "yes", UserOut: fails + userns},
		{Name: "ProtectHostname", System: "yes", UserOut: ignored},
		{Name: "ProtectKernelLogs", System: "yes", UserOut: fails + userns},
		{Name: "ProtectKernelModules", System: "yes", UserOut: fails + userns},
		{Name: "ProtectKernelTunables", System: "yes", UserOut: partly},
		{Name: "ProtectControlGroups",
			SystemOut: "each gateway gets a control group of its own below the service's", UserOut: ignored},
		{Name: "RestrictAddressFamilies", System: usualFamilies, User: rareFamilies},
		{Name: "RestrictNamespaces", System: "yes",
			UserOut: "bubblewrap, rootless containers, the sandbox of browsers and that of nix make user namespaces"},
		{Name: "RestrictRealtime", System: "yes", User: "yes"},
		{Name: "RestrictSUIDSGID", System: "yes",
			UserOut: "unpacking a container image or a package, and git init --shared, set such bits on files of one's own"},
		{Name: "LockPersonality", System: "yes",
			UserOut: "the thread sanitizer (go test -race, clang) and debuggers switch off address randomization by it"},
		{Name: "MemoryDenyWriteExecute",
			SystemOut: "node, browsers and every other just-in-time compiler write code and run it", UserOut: "as for the machine"},
		{Name: "RemoveIPC",
			SystemOut: "it removes shared memory of all that the account runs, and the account may be a person's",
			UserOut:   "it has no effect in a user's manager (systemd.exec(5))"},
		{Name: "KeyringMode",
			SystemOut: "a service of the machine has a private one unless it is set",
			UserOut:   "tools need the keys of the login, such as those of Kerberos and of an encrypted home"},
		{Name: "SystemCallArchitectures", System: "native",
			UserOut: "it would end 32-bit programs: tests with GOARCH=386, wine, older SDKs"},
		{Name: "SystemCallFilter", System: allowedCalls, User: refusedCalls},
		{Name: "SystemCallErrorNumber", System: refusal, User: refusal},
		{Name: "IPAddressDeny",
			SystemOut: "which models, channels and clients there are changes with the configuration, and names are not addresses",
			UserOut:   "a user's manager ignores it (systemd 252)"},
		{Name: "DeviceAllow",
			SystemOut: "PrivateDevices sets it; ProtectClock adds the clock, to be read", UserOut: "a user's manager ignores it (systemd 252)"},
		{Name: "RootDirectory",
			SystemOut: "tools are the machine's own programs", UserOut: fails},
		{Name: "DynamicUser",
			SystemOut: "registry and workspaces belong to an account that stays", UserOut: fails},
		{Name: "SupplementaryGroups",
			SystemOut: "the account's own groups are what its tools expect", UserOut: fails},
	}
}

// Partial is a narrower form of a directive, and why it is left out. The names
// follow those of systemd-analyze security.
type Partial struct{ Name, Why string }

// Partials lists what systemd-analyze goes on counting for directives that a
// service of the machine does set, and for what is no sandboxing.
func Partials() []Partial {
	return []Partial{
		{"ProtectSystem=strict", "it would need every workspace and allowed directory listed, and a change of the registry would need a new unit; those below /etc and /usr are listed in ReadWritePaths"},
		{"RestrictAddressFamilies=~AF_(INET|INET6)", "the network is what a gateway is for"},
		{"RestrictAddressFamilies=~AF_UNIX", "control socket, journal and service manager are reached by it"},
		{"RestrictAddressFamilies=~AF_NETLINK", "addresses of this machine and names of others are looked up by it"},
		{"SystemCallFilter=~@resources", "nice, ionice and taskset are tools like any other; as root they are refused"},
		{"SystemCallFilter=~@privileged", "chown to a group of one's own is in it, which rsync and tar use; as root it is refused"},
		{"Delegate=no", "each gateway gets a control group of its own"},
		{"User=/DynamicUser=", "root only where --user root says so"},
	}
}
