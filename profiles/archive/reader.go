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
	"slices"
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

// Reader reads one archive. Use it from one goroutine.
type Reader struct {
	Manifest Manifest
	in       *bufio.Reader // what is compressed
	gz       *gzip.Reader
	tar      *tar.Reader
}

// Open reads the manifest. It reads from r as it goes and never seeks.
func Open(r io.Reader) (*Reader, error) {
	in := bufio.NewReader(r) // a ByteReader, so that no byte behind the compressed part is lost
	gz, err := gzip.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("it is no archive of a profile: %w", err)
	}
	gz.Multistream(false)
	out := &Reader{in: in, gz: gz, tar: tar.NewReader(gz)}
	out.Manifest, err = readManifest(out.tar)
	return out, err
}

func readManifest(r *tar.Reader) (Manifest, error) {
	hdr, err := r.Next()
	if err != nil {
		return Manifest{}, fmt.Errorf("it is no archive of a profile: %w", err)
	}
	if hdr.Name != manifestName || hdr.Typeflag != tar.TypeReg || hdr.Size > maxManifest {
		return Manifest{}, fmt.Errorf("it is no archive of a profile: it begins with %.200q and not with a manifest", hdr.Name)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", manifestName, err)
	}
	return decodeManifest(raw)
}

// Extract fills dir, which is empty, with the config as ConfigName and its includes
// beside it, .env, the workspace, and the sessions below agents, and returns the
// slash-separated names of the config files. It accepts only what a Writer makes.
// After an error dir may hold a part.
func (r *Reader) Extract(ctx context.Context, dir *Dir, l Limits) ([]string, error) {
	config, err := extract(ctx, r.Manifest, r.tar, r.gz, dir, l)
	if err != nil {
		return nil, err
	}
	if _, err := r.in.ReadByte(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the archive")
	}
	return config, nil
}

// extract takes in what follows the manifest in t, which reads from plain.
func extract(ctx context.Context, m Manifest, t *tar.Reader, plain io.Reader, dir *Dir, l Limits) ([]string, error) {
	in := &reading{manifest: m, tar: t, dir: dir, limits: l}
	for {
		hdr, err := in.tar.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return nil, err
		}
		if err := in.entry(ctx, hdr); err != nil {
			return nil, fmt.Errorf("%.200q: %w", hdr.Name, err)
		}
	}
	if err := onlyPadding(plain); err != nil {
		return nil, err
	}
	if !slices.Contains(in.config, ConfigName) {
		return nil, errors.New("it holds no config")
	}
	for _, link := range in.links {
		if err := dir.Symlink(link.name, link.target); err != nil {
			return nil, fmt.Errorf("%q: %w", link.name, err)
		}
	}
	return in.config, nil
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
	manifest      Manifest
	tar           *tar.Reader
	dir           *Dir
	limits        Limits
	entries       int
	bytes         int64
	configEntries int
	config        []string // names of the files of the config
	links         []struct{ name, target string }
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
		if !in.manifest.Secrets || rest != "" || hdr.Typeflag != tar.TypeReg || hdr.Size > maxConfigBytes {
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
	if in.configEntries++; in.configEntries > maxConfigFiles {
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
	in.config = append(in.config, name)
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
	case "desired", "identity", "devices", "node", "nodes", "credentials", "exec-approvals.json", "ledger.json", "last-good.json", "backups", "doctor", "logs", "crashes", "tmp":
		return true
	case "gateway": // gateway/NAME.json5 would be a likely name too
		return base == "browser.key" || base == "token-rotation.json"
	case AgentsDir: // agents/NAME.json5 would be a likely name, and below are the agents' own files
		return strings.Count(name, "/") > 1
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
	case !in.manifest.Sessions:
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
