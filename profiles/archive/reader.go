package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"
)

// Limits bound what is taken out of one archive.
type Limits struct {
	Entries int   // files, directories and links
	Bytes   int64 // in files, uncompressed
}

// DefaultLimits lets a workspace with several checkouts through, and stops a small
// file that would fill a disk or a directory without end.
func DefaultLimits() Limits { return Limits{Entries: 2_000_000, Bytes: 64 << 30} }

const (
	maxConfigBytes = 4 << 20 // of one config file and of .env: gateway/config reads no more
	maxConfigFiles = 300     // the config and its 256 includes, and directories
	maxName        = 4096    // PATH_MAX of Linux
	maxPadding     = 64 << 10
)

// Contents is what Read found.
type Contents struct {
	Manifest Manifest
	Config   []string // slash-separated names of the config files, relative to the directory that was filled
}

// Read fills dir, which is empty, from the archive in r: the config as ConfigName
// with its includes beside it, .env, the workspace, and the sessions below agents.
// It accepts only what a Writer makes. After an error dir may hold a part.
func Read(ctx context.Context, r io.Reader, dir *Dir, l Limits) (Contents, error) {
	in := bufio.NewReader(r) // a ByteReader, so that no byte behind the compressed part is lost
	gz, err := gzip.NewReader(in)
	if err != nil {
		return Contents{}, fmt.Errorf("it is no archive of a profile: %w", err)
	}
	gz.Multistream(false)
	c, err := readTar(ctx, gz, dir, l)
	if err != nil {
		return Contents{}, err
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return Contents{}, errors.New("something follows the archive")
	}
	return c, nil
}

func readTar(ctx context.Context, r io.Reader, dir *Dir, l Limits) (Contents, error) {
	in := &reading{tar: tar.NewReader(r), dir: dir, limits: l}
	if err := in.manifest(); err != nil {
		return Contents{}, err
	}
	for {
		hdr, err := in.tar.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return Contents{}, err
		}
		if err := in.entry(ctx, hdr); err != nil {
			return Contents{}, fmt.Errorf("%.200q: %w", hdr.Name, err)
		}
	}
	if err := onlyPadding(r); err != nil {
		return Contents{}, err
	}
	if !in.hasConfig {
		return Contents{}, errors.New("it holds no config")
	}
	for _, link := range in.links {
		if err := dir.Symlink(link.name, link.target); err != nil {
			return Contents{}, fmt.Errorf("%q: %w", link.name, err)
		}
	}
	return in.Contents, nil
}

// onlyPadding reads to the end, where the checksum is compared.
func onlyPadding(r io.Reader) error {
	rest, err := io.ReadAll(io.LimitReader(r, maxPadding+1))
	if err != nil {
		return err
	}
	if len(rest) > maxPadding || len(bytes.Trim(rest, "\x00")) > 0 {
		return errors.New("something follows the last file")
	}
	return nil
}

// reading is one archive on its way into dir. Links are made last, so that no
// file can be written through one.
type reading struct {
	Contents
	tar       *tar.Reader
	dir       *Dir
	limits    Limits
	entries   int
	bytes     int64
	config    int // entries of the config
	hasConfig bool
	links     []struct{ name, target string }
}

func (in *reading) manifest() error {
	hdr, err := in.tar.Next()
	if err != nil {
		return fmt.Errorf("it is no archive of a profile: %w", err)
	}
	if hdr.Name != manifestName || hdr.Typeflag != tar.TypeReg || hdr.Size > maxManifest {
		return fmt.Errorf("it is no archive of a profile: it begins with %.200q and not with a manifest", hdr.Name)
	}
	raw, err := io.ReadAll(in.tar)
	if err != nil {
		return fmt.Errorf("%s: %w", manifestName, err)
	}
	in.Manifest, err = decodeManifest(raw)
	return err
}

// entry takes one entry in.
func (in *reading) entry(ctx context.Context, hdr *tar.Header) error {
	if in.entries++; in.entries > in.limits.Entries {
		return fmt.Errorf("it is one of more than %d entries", in.limits.Entries)
	}
	name := hdr.Name
	if hdr.Typeflag == tar.TypeDir {
		name = strings.TrimSuffix(name, "/")
	}
	if err := checkName(name); err != nil {
		return err
	}
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeDir, tar.TypeSymlink:
	case tar.TypeLink:
		return errors.New("hard links are not accepted")
	default:
		return errors.New("only files, directories and symlinks are accepted")
	}
	if in.bytes += hdr.Size; hdr.Size < 0 || hdr.Size > in.limits.Bytes || in.bytes > in.limits.Bytes {
		return fmt.Errorf("with it the files have more than %d bytes", in.limits.Bytes)
	}
	top, rest, _ := strings.Cut(name, "/")
	switch top {
	case configDir:
		return in.configEntry(ctx, hdr, rest)
	case envName:
		if !in.Manifest.Secrets || rest != "" || hdr.Typeflag != tar.TypeReg || hdr.Size > maxConfigBytes {
			return errors.New("it does not belong into an archive with this manifest")
		}
		return in.file(ctx, hdr, dotEnv, true)
	case WorkspaceDir:
		return in.workspaceEntry(ctx, hdr, name, rest)
	case AgentsDir:
		return in.agentEntry(ctx, hdr, name)
	}
	return errors.New("it does not belong into an archive of a profile")
}

// checkName refuses names that could mean another place than they say.
func checkName(name string) error {
	switch {
	case len(name) > maxName:
		return fmt.Errorf("its name has %d bytes", len(name))
	case name == "" || strings.ContainsRune(name, 0) || path.IsAbs(name) || path.Clean(name) != name || !filepath.IsLocal(filepath.FromSlash(name)):
		return errors.New("its name does not lead into the archive")
	}
	return nil
}

// configEntry takes in a file or directory of the config, by its name below it.
func (in *reading) configEntry(ctx context.Context, hdr *tar.Header, name string) error {
	if in.config++; in.config > maxConfigFiles {
		return fmt.Errorf("it is one of more than %d of the config", maxConfigFiles)
	}
	switch {
	case name == "" && hdr.Typeflag == tar.TypeDir:
		return nil
	case name == "" || Reserved(name):
		return errors.New("a config cannot include a file of this name")
	case hdr.Typeflag == tar.TypeDir:
		return in.dir.Mkdir(name, 0o700)
	case hdr.Typeflag != tar.TypeReg || hdr.Size > maxConfigBytes:
		return fmt.Errorf("it is no file of at most %d bytes", maxConfigBytes)
	}
	in.Config = append(in.Config, name)
	in.hasConfig = in.hasConfig || name == ConfigName
	return in.file(ctx, hdr, name, true)
}

// Reserved tells whether a file of this slash-separated name in a state dir means
// something to coderclaw itself, so that no config may put it there.
func Reserved(name string) bool {
	base := strings.ToLower(path.Base(name))
	top, _, _ := strings.Cut(strings.ToLower(name), "/")
	if base == dotEnv || strings.HasSuffix(base, ".lock") || strings.HasSuffix(base, ".sock") {
		return true
	}
	switch top {
	case "desired", "identity", "devices", "backups", "logs", "crashes", AgentsDir:
		return true
	}
	return false
}

func (in *reading) workspaceEntry(ctx context.Context, hdr *tar.Header, name, below string) error {
	switch hdr.Typeflag {
	case tar.TypeDir:
		return in.dir.Mkdir(name, hdr.FileInfo().Mode().Perm()|0o700)
	case tar.TypeReg:
		if below == "" {
			return errors.New("the workspace is a directory")
		}
		return in.file(ctx, hdr, name, false)
	}
	if below == "" {
		return errors.New("the workspace is a directory")
	}
	if err := checkLink(below, hdr.Linkname); err != nil {
		return fmt.Errorf("as a symlink it is refused: %w", err)
	}
	in.links = append(in.links, struct{ name, target string }{name, hdr.Linkname})
	return nil
}

// agentEntry takes in what lies at agents/ID/sessions/ and the directories there.
func (in *reading) agentEntry(ctx context.Context, hdr *tar.Header, name string) error {
	parts := strings.Split(name, "/")
	switch {
	case !in.Manifest.Sessions:
		return errors.New("the manifest says that no sessions are in it")
	case len(parts) > 2 && parts[2] != sessionsName:
		return errors.New("of an agent only the sessions are accepted")
	case hdr.Typeflag == tar.TypeDir:
		return in.dir.Mkdir(name, 0o700)
	case hdr.Typeflag != tar.TypeReg || len(parts) < 4:
		return errors.New("sessions are files in agents/ID/sessions")
	}
	return in.file(ctx, hdr, name, true)
}

func (in *reading) file(ctx context.Context, hdr *tar.Header, name string, private bool) error {
	f := File{Name: name, Mode: hdr.FileInfo().Mode().Perm(), Size: hdr.Size, ModTime: hdr.ModTime}
	if private {
		f.Mode = 0o600
	}
	before := in.dir.Bytes
	if err := in.dir.File(ctx, f, in.tar); err != nil {
		return err
	}
	if got := in.dir.Bytes - before; got != hdr.Size {
		return fmt.Errorf("it has %d of %d bytes: %w", got, hdr.Size, io.ErrUnexpectedEOF)
	}
	return nil
}
