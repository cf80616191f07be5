package doctor

// Codes about drop-ins: what a person laid over the unit file.
const (
	UnitDropIn     Code = "unit-drop-in"
	DropInOverride Code = "unit-drop-in-override"
	DropInBreaks   Code = "unit-drop-in-breaks"
	DropInBad      Code = "unit-drop-in-unreadable"
)

func dropInCodes() []CodeDoc {
	const moved = "With --force the drop-in is removed; `doctor undo` brings it back. Else change it."
	return []CodeDoc{
		{UnitDropIn, Info, ByHand, "A drop-in adds to the unit, or changes a setting within what works.", "path of the drop-in; key; have: value with it; want: value without", "Nothing, if it is meant; else remove the drop-in."},
		{DropInOverride, Warning, Forced, "A drop-in changes a setting so that the service works less well.", "path, key; have; want; message: what it does", moved},
		{DropInBreaks, Error, Forced, "A drop-in changes the service so that it cannot do its work.", "path, key; have; want; message: what it does", moved},
		{DropInBad, Warning, ByHand, "A drop-in cannot be read. systemd passes over it, or hangs where it is a pipe.", "path; message: why", "Mend or remove it."},
	}
}
