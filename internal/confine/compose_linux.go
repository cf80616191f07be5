package confine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// hiddenPlaces are those outside the home directory that belong to somebody
// else, or to nobody in particular: other people's homes, what sessions and
// services keep secrets in, and the temporary directories that all users share.
func hiddenPlaces() []string {
	return []string{"/home", "/root", "/run/user", "/run/credentials", "/run/secrets", "/tmp", "/var/tmp", "/dev"}
}

// devices are what programs need of /dev; the others are hidden, because root
// could read the whole disk through them.
func devices() []string {
	return []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx", "/dev/pts", "/dev/shm"}
}

// secretDirs are directories in which root finds what is kept from everybody else.
func secretDirs() []string {
	return []string{"/etc", "/etc/ssh", "/etc/ssl", "/etc/security", "/etc/NetworkManager", "/var/backups", "/var/spool/cron"}
}

// rootNames are what a root directory has on the systems that we know.
func rootNames() []string {
	return []string{"bin", "etc", "lib", "lib32", "lib64", "media", "mnt", "nix", "opt", "proc", "run", "sbin", "srv", "sys", "usr", "var"}
}

// marks lays a policy over what every process may use. root tells that the
// process runs as root, for which the modes of files keep nothing back.
func marks(p Policy, root bool, fsys filesystem) (*mark, []string) {
	var links resolver
	var notes []string
	top := &mark{set: true, rights: read}
	set := func(r rights, paths ...string) {
		for _, path := range paths {
			top.at(links.resolve(path), r)
		}
	}
	set(nothing, hiddenPlaces()...)
	set(read|write, devices()...)
	if root {
		set(nothing, rootSecrets(fsys)...) // and /proc stays read-only: who writes core_pattern has the machine
	} else {
		set(read|write, "/proc")
	}
	for _, home := range p.Homes {
		if links.resolve(home) == "/" {
			notes = append(notes, home+": a home that is the root directory cannot be hidden")
			continue
		}
		set(nothing, home)
	}
	own := func(paths ...string) {
		for _, path := range paths {
			real := links.resolve(path)
			if _, exists := fsys.isDir(real); !exists {
				notes = append(notes, path+": it is missing, and making it takes a restart to be allowed")
			}
			top.at(real, read|write)
		}
	}
	if p.Mode != Strict {
		denied := make([]string, len(p.Deny))
		for i, path := range p.Deny {
			denied[i] = links.resolve(path)
		}
		for _, path := range p.Allow {
			if real := links.resolve(path); slices.ContainsFunc(denied, func(d string) bool { return within(real, d) }) {
				notes = append(notes, path+": it is not allowed, because it belongs to others")
				continue
			}
			own(path)
		}
	}
	own(p.ReadWrite...)
	if p.Temp != "" {
		own(p.Temp)
	}
	set(read, p.ReadOnly...)
	set(nothing, p.Deny...)
	return top, notes
}

// within tells whether path is dir or lies in it; both are resolved.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// rootSecrets are the files and directories that only root may read.
func rootSecrets(fsys filesystem) []string {
	var out []string
	for _, dir := range secretDirs() {
		entries, err := fsys.list(dir)
		if err != nil {
			continue // most systems lack some of them
		}
		for _, e := range entries {
			if e.secret {
				out = append(out, filepath.Join(dir, e.name))
			}
		}
	}
	return out
}

// disk is the filesystem of this machine. It remembers what it has listed. Not
// for concurrent use.
type disk struct{ listed map[string][]entry }

func (d *disk) list(dir string) ([]entry, error) {
	if entries, ok := d.listed[dir]; ok {
		return entries, nil
	}
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) && dir == "/" {
		return usualRoot(), nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	found, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	secrets := slices.Contains(secretDirs(), dir)
	entries := make([]entry, len(found))
	for i, e := range found {
		entries[i] = entry{name: e.Name(), dir: e.IsDir(), symlink: e.Type()&fs.ModeSymlink != 0}
		if secrets && !entries[i].symlink { // a mount elsewhere may hang, so nothing else is looked at
			var st unix.Stat_t
			err := unix.Fstatat(int(f.Fd()), e.Name(), &st, unix.AT_SYMLINK_NOFOLLOW)
			entries[i].secret = err == nil && st.Mode&unix.S_IROTH == 0
		}
	}
	if d.listed == nil {
		d.listed = map[string][]entry{}
	}
	d.listed[dir] = entries
	return entries, nil
}

// usualRoot stands in for a root directory that may not be listed: this process
// is confined already.
func usualRoot() []entry {
	var out []entry
	for _, name := range rootNames() {
		if info, err := os.Lstat("/" + name); err == nil {
			out = append(out, entry{name: name, dir: info.IsDir(), symlink: info.Mode()&fs.ModeSymlink != 0})
		}
	}
	return out
}

func (*disk) isDir(path string) (dir, exists bool) {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR, err == nil
}
