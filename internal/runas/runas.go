// Package runas owns how a process of root acts as an ordinary user for a while,
// so that files made for that user are that user's, and a path that the user
// planted leads root nowhere. It knows nothing of what is done meanwhile.
//
// The identity is that of the whole process: whoever uses a Switch must not do
// anything else at the same time.
package runas

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"time"
)

// Account is a user of this machine.
type Account struct {
	Name     string
	UID, GID int
	Groups   []int // supplementary groups, GID among them
	Home     string
}

// Root tells whether the account may do everything.
func (a Account) Root() bool { return a.UID == 0 }

// Lookup finds a user by name or by numeric id. Users that no local file lists
// are asked of getent(1) and id(1), which know every source of the machine.
func Lookup(ctx context.Context, nameOrID string) (Account, error) {
	u, err := user.Lookup(nameOrID)
	if err != nil {
		u, err = user.LookupId(nameOrID)
	}
	var groups []string
	if err == nil {
		groups, err = u.GroupIds()
	} else {
		u, groups, err = ask(ctx, nameOrID)
	}
	if err != nil {
		return Account{}, fmt.Errorf("there is no user %q on this machine: %w", nameOrID, err)
	}
	a := Account{Name: u.Username, Home: u.HomeDir}
	if a.UID, err = strconv.Atoi(u.Uid); err == nil {
		a.GID, err = strconv.Atoi(u.Gid)
	}
	if err != nil {
		return Account{}, fmt.Errorf("user %q: %w", nameOrID, err)
	}
	for _, g := range groups {
		id, err := strconv.Atoi(g)
		if err != nil {
			return Account{}, fmt.Errorf("user %q: group %q: %w", nameOrID, g, err)
		}
		a.Groups = append(a.Groups, id)
	}
	return a, nil
}

// askTime bounds the question to a directory service.
const askTime = 10 * time.Second

func ask(ctx context.Context, nameOrID string) (*user.User, []string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	line, err := exec.CommandContext(ctx, "getent", "passwd", "--", nameOrID).Output()
	if err != nil {
		return nil, nil, errors.New("neither /etc/passwd nor getent knows it")
	}
	u, err := parsePasswd(string(line))
	if err != nil {
		return nil, nil, err
	}
	groups, err := exec.CommandContext(ctx, "id", "-G", "--", u.Username).Output()
	if err != nil {
		return nil, nil, fmt.Errorf("its groups: %w", err)
	}
	return u, strings.Fields(string(groups)), nil
}

// parsePasswd reads one line of passwd(5).
func parsePasswd(line string) (*user.User, error) {
	first, _, _ := strings.Cut(line, "\n")
	f := strings.Split(first, ":")
	if len(f) != 7 || f[0] == "" {
		return nil, fmt.Errorf("getent answers %q, which is no line of passwd", first)
	}
	return &user.User{Username: f[0], Uid: f[2], Gid: f[3], HomeDir: f[5]}, nil
}

// Switch lets a process of root act as an account, and as root again. The zero
// value stands for a process that stays who it is. Not safe for concurrent use.
type Switch struct {
	account Account
	able    bool // we are root, and the account is not
	user    bool // we act as the account now
	own     []int
}

// NewSwitch returns a switch for a, off. For a process that is not root, or when
// a is root, the switch does nothing.
func NewSwitch(a Account) (*Switch, error) {
	s := &Switch{account: a}
	if !isRoot() || a.Root() {
		return s, nil
	}
	var err error
	if s.own, err = groupsNow(); err != nil {
		return nil, fmt.Errorf("act as user %s: %w", a.Name, err)
	}
	s.able = true
	return s, nil
}

// AsUser runs do as the account. When it returns, the process is who it was.
func (s *Switch) AsUser(do func() error) error { return s.as(true, do) }

// AsRoot runs do as root again, for a process that acts as the account.
func (s *Switch) AsRoot(do func() error) error { return s.as(false, do) }

func (s *Switch) as(user bool, do func() error) error {
	was := s.user
	if err := s.turn(user); err != nil {
		return err
	}
	err := do()
	return errors.Join(err, s.turn(was))
}

// turn makes the process the account, or root.
func (s *Switch) turn(user bool) error {
	if !s.able || s.user == user {
		return nil
	}
	if err := s.become(user); err != nil {
		return fmt.Errorf("act as user %s: %w", s.account.Name, err)
	}
	s.user = user
	return nil
}
