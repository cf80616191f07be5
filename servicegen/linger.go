package servicegen

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"
)

// LingerGrade says whether services of a user outlive the user's last session,
// and what it takes to make them.
type LingerGrade string

// The grades.
const (
	LingerOn   LingerGrade = "on"   // they start at boot and survive a logout
	LingerFree LingerGrade = "free" // off; the user may switch it on without being root
	LingerRoot LingerGrade = "root" // off; only root may switch it on
	LingerNone LingerGrade = "none" // nothing here ends services at a logout, or starts them at boot
)

// LingerState is what is known of the lingering of one user.
type LingerState struct {
	UID     int
	User    string // login name, digits when it has none
	Grade   LingerGrade
	Command string // the command line that switches it on; "" unless off
	Why     string // what the grade rests on
	Warning string // what may go wrong although it is on, "" for nothing
}

// Off tells whether services of the user stop at logout.
func (s LingerState) Off() bool { return s.Grade == LingerFree || s.Grade == LingerRoot }

// lingerDir holds a file for each user who lingers, named like the user. It is
// what logind itself reads whenever it is asked (logind-user.c).
const lingerDir = "/var/lib/systemd/linger/"

// Linger finds out whether services of o.UID outlive its sessions, and who may
// change that. It changes nothing and nobody is asked for a password: logind is
// asked for the state, polkit whether it would let this process switch it on. An
// error means that ctx ended; everything else is a grade.
func Linger(ctx context.Context, o HostOptions) (LingerState, error) {
	o = o.filled()
	s := LingerState{UID: o.UID, User: o.userName()}
	if !o.Exists("/run/systemd/system") {
		s.Grade, s.Why = LingerNone, "systemd does not run this machine"
		return s, nil
	}
	on := o.Exists(lingerDir + s.User)
	c, err := systemBus(ctx, o)
	if err != nil {
		if ctx.Err() != nil {
			return s, fmt.Errorf("lingering of %s: %w", s.User, context.Cause(ctx))
		}
		s.off(LingerRoot, "logind cannot be asked: "+err.Error())
		if on {
			s.on(lingerDir + s.User + " exists")
		}
		return s, nil
	}
	defer c.Close()
	switch linger, known := logindLingers(ctx, c, o.UID); {
	case on || linger:
		s.on("logind says so")
		if on {
			s.on(lingerDir + s.User + " exists")
		}
		s.Warning = lingerBug(managerVersion(ctx, c))
	case o.UID == 0 && o.self():
		s.off(LingerFree, "root may")
	default:
		s.off(polkitAllows(ctx, c, o))
		if !known {
			s.Why += "; logind does not answer"
		}
	}
	if ctx.Err() != nil {
		return s, fmt.Errorf("lingering of %s: %w", s.User, context.Cause(ctx))
	}
	return s, nil
}

func (s *LingerState) on(why string) { s.Grade, s.Why, s.Command = LingerOn, why, "" }

func (s *LingerState) off(g LingerGrade, why string) {
	s.Grade, s.Why, s.Command = g, why, "loginctl enable-linger "+shellQuote(s.User)
	if g == LingerRoot {
		s.Command = "sudo " + s.Command
	}
}

// EnableLinger lets services of o.UID run without a session, at once and from
// every boot on. It never asks for a password; where it is refused, the error
// names the command line that works.
func EnableLinger(ctx context.Context, o HostOptions) error {
	o = o.filled()
	s := LingerState{User: o.userName()}
	s.off(LingerRoot, "")
	c, err := systemBus(ctx, o)
	if err != nil {
		return fmt.Errorf("switch lingering of %s on: %w; run: %s", s.User, err, s.Command)
	}
	defer c.Close()
	err = logind(c).CallWithContext(ctx, login1+".Manager.SetUserLinger", 0, uint32(o.UID), true, false).Err
	if err != nil {
		return fmt.Errorf("switch lingering of %s on: %w; run: %s", s.User, err, s.Command)
	}
	return nil
}

const login1 = "org.freedesktop.login1"

func logind(c *dbus.Conn) dbus.BusObject { return c.Object(login1, "/org/freedesktop/login1") }

// logindLingers asks logind. A user whom it does not track does not linger: it
// tracks everyone who does.
func logindLingers(ctx context.Context, c *dbus.Conn, uid int) (linger, known bool) {
	var path dbus.ObjectPath
	err := logind(c).CallWithContext(ctx, login1+".Manager.GetUser", 0, uint32(uid)).Store(&path)
	if e, ok := errors.AsType[dbus.Error](err); ok && strings.HasSuffix(e.Name, ".NoSuchUser") {
		return false, true
	}
	if err != nil {
		return false, false
	}
	v, err := property(ctx, c, login1, path, login1+".User", "Linger")
	linger, _ = v.(bool)
	return linger, err == nil
}

// polkitAllows asks polkit whether this process may switch lingering on for
// o.UID, as logind would ask it, but without letting it put up a prompt.
func polkitAllows(ctx context.Context, c *dbus.Conn, o HostOptions) (LingerGrade, string) {
	action := login1 + ".set-user-linger"
	if o.self() {
		action = login1 + ".set-self-linger"
	}
	type subject struct {
		Kind    string
		Details map[string]dbus.Variant
	}
	type answer struct {
		Authorized, Challenge bool
		Details               map[string]string
	}
	var a answer
	const noPrompt = uint32(0)
	err := c.Object("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority").
		CallWithContext(ctx, "org.freedesktop.PolicyKit1.Authority.CheckAuthorization", 0,
			subject{"system-bus-name", map[string]dbus.Variant{"name": dbus.MakeVariant(c.Names()[0])}},
			action, map[string]string{}, noPrompt, "").Store(&a)
	switch {
	case err != nil:
		return LingerRoot, "without polkit only root may"
	case a.Authorized:
		return LingerFree, "polkit allows " + action
	}
	return LingerRoot, "polkit refuses " + action
}

// managerVersion is systemd's own version, "" when it does not say.
func managerVersion(ctx context.Context, c *dbus.Conn) string {
	v, _ := property(ctx, c, systemd1, "/org/freedesktop/systemd1", systemd1+".Manager", "Version")
	text, _ := v.(string)
	return text
}

const systemd1 = "org.freedesktop.systemd1"

func property(ctx context.Context, c *dbus.Conn, service string, path dbus.ObjectPath, iface, name string) (any, error) {
	var v dbus.Variant
	err := c.Object(service, path).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, iface, name).Store(&v)
	return v.Value(), err
}

// lingerBug warns of the versions whose logind ends the manager of a user at
// logout although the user lingers: 255 up to 256.2 (systemd issue 43361).
func lingerBug(version string) string {
	digits := func(text string) (number int, rest string) {
		end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
		if end < 0 {
			end = len(text)
		}
		number, _ = strconv.Atoi(text[:end])
		return number, text[end:]
	}
	major, rest := digits(version)
	minor := 0
	if tail, ok := strings.CutPrefix(rest, "."); ok {
		minor, _ = digits(tail)
	}
	if major == 255 || (major == 256 && minor < 3) {
		return "systemd " + version + " may stop the services of a user at logout in spite of lingering; systemd 256.3 and newer do not"
	}
	return ""
}
