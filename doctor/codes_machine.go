package doctor

// Codes about ports.
const (
	PortHeld       Code = "port-held"
	PortClash      Code = "port-of-other-profile"
	PortMoved      Code = "port-moved"
	PortNotApplied Code = "port-not-applied"
)

func portCodes() []CodeDoc {
	return []CodeDoc{
		{PortHeld, Error, ByHand, "Another program listens on the gateway's port.", "key: port; have: the holder", "End it, or choose another gateway.port."},
		{PortClash, Error, ByHand, "gateway.port of the config belongs to another profile.", "path, key gateway.port; have: port and its owner; want: the profile's own", "Remove gateway.port, or choose one of the profile's own block."},
		{PortMoved, Info, ByHand, "gateway.port lies outside the block that the registry gives the profile.", "path, key gateway.port; have; want: the block", "Nothing, if it is meant; the registry keeps other profiles from their own blocks only."},
		{PortNotApplied, Warning, ByHand, "The gateway listens on another port than its config says now.", "key: gateway.port; have: port in use; want: port of the config", "Restart the gateway."},
	}
}

// Codes about the machine that the profile runs on.
const (
	LingerOff Code = "linger-off"
)

func machineCodes() []CodeDoc {
	return []CodeDoc{
		{LingerOff, Warning, Act, "Lingering is off: the service ends when its user logs out, and starts with the next login only.", "key: the user; have: state and what it rests on; want", "It is switched on where the user may do that; else root has to."},
	}
}

// Codes about other services of this machine.
const (
	ServiceTwice      Code = "service-duplicate"
	ServiceTwoScopes  Code = "service-duplicate-scope"
	ServicePort       Code = "service-on-same-port"
	ServiceOrphan     Code = "service-orphan"
	ServiceOtherSetup Code = "service-of-other-registry"
	ServiceOther      Code = "service-other-gateway"
)

func serviceCodes() []CodeDoc {
	return []CodeDoc{
		{ServiceTwice, Error, ByHand, "Another unit runs this profile too; only one of them can.", "path of the other unit; have: its command line", "Remove the other unit."},
		{ServiceTwoScopes, Error, ByHand, "The profile has a user unit and a system unit; only one of them can run it.", "path of the other unit; have: its scope; want: this scope", "Remove one of them."},
		{ServicePort, Warning, ByHand, "The service of another program is set up for this gateway's port.", "path of its unit; key: port; have: its command line", "Remove that service, or choose another gateway.port."},
		{ServiceOrphan, Warning, ByHand, "A unit of ours runs a profile that the registry does not have.", "path of the unit; have: the profile", "Remove the unit, or create the profile."},
		{ServiceOtherSetup, Info, ByHand, "A unit of ours works for another registry.", "path of the unit; have and want: registries", "Nothing, if there are two installations on purpose."},
		{ServiceOther, Info, ByHand, "Another gateway of this kind has a service on this machine.", "path of its unit; have: the product and its command line", "Nothing, if it is wanted; else remove its service."},
	}
}
