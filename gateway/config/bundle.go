package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/coderclaw/coderclaw/internal/atomicfile"
	"github.com/coderclaw/coderclaw/internal/exitcode"
	"github.com/coderclaw/coderclaw/internal/json5"
	"github.com/coderclaw/coderclaw/profiles"
)

// BundleFile is one file of a Bundle.
type BundleFile struct {
	Name string // slash-separated, relative to the directory of the config
	Data []byte
}

// Bundle is a config file with every file that it includes, as text that can be
// changed and written at another place. Its methods change only the bytes that
// they are about; comments and order stay. It is not safe for concurrent use.
type Bundle struct {
	dir   string // that the files were read from, absolute
	files []*bundled
}

// bundled is one file and the places at which its content stands in the whole.
type bundled struct {
	name   string
	text   []byte
	tree   *json5.Value // of text
	mounts []spot
}

// spot is a place in the merged config.
type spot struct {
	rule string   // dotted, without indexes: what the rules about secrets look at
	show string   // in the grammar of parsePath
	keys []string // from the root down; meaningless below a list
	list bool     // a list lies on the way
}

func (s spot) key(key string) spot {
	return spot{joinKey(s.rule, key), joinKey(s.show, key), append(slices.Clip(s.keys), key), s.list}
}

func (s spot) item(i int) spot { return spot{s.rule, joinIndex(s.show, i), s.keys, true} }

// LoadBundle reads the config of p and its includes. They must parse; what they
// say need not be valid. An absolute $include becomes a relative one. Errors are
// marked exitcode.Config.
func LoadBundle(p profiles.Profile) (*Bundle, error) {
	raw, err := readBounded(p.ConfigPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errMissingConfig(flagOf(p))
	}
	if err != nil {
		return nil, exitcode.With(exitcode.Config, fmt.Errorf("config: %w", err))
	}
	invalid := func(problems ...Problem) error {
		return exitcode.With(exitcode.Config, &InvalidError{Path: p.ConfigPath, Problems: problems})
	}
	tree, err := json5.Parse(raw)
	if err != nil {
		return nil, invalid(syntaxProblem(p.ConfigPath, err))
	}
	in := newIncluder(p.ConfigPath, raw)
	in.resolve(newNode(tree, p.ConfigPath), []string{p.ConfigPath})
	if in.problems != nil {
		return nil, invalid(in.problems...)
	}
	b := &Bundle{dir: filepath.Dir(p.ConfigPath)}
	if err := b.add(p.ConfigPath, raw); err != nil {
		return nil, err
	}
	for i, file := range in.files {
		if err := b.add(file, in.texts[i]); err != nil {
			return nil, err
		}
	}
	b.mount(b.files[0], spot{})
	return b, b.relativeIncludes()
}

// add takes a file in unless it is there already.
func (b *Bundle) add(file string, text []byte) error {
	rel, err := filepath.Rel(b.dir, file)
	if err != nil {
		return fmt.Errorf("config %s: %w", file, err)
	}
	f := &bundled{name: filepath.ToSlash(rel)}
	if b.file(f.name) != nil {
		return nil
	}
	b.files = append(b.files, f)
	return f.set(text)
}

func (b *Bundle) file(name string) *bundled {
	for _, f := range b.files {
		if f.name == name {
			return f
		}
	}
	return nil
}

func (f *bundled) set(text []byte) error {
	tree, err := json5.Parse(text)
	if err != nil {
		return exitcode.With(exitcode.Config, fmt.Errorf("config %s: %w", f.name, err))
	}
	f.text, f.tree = text, tree
	return nil
}

// mount notes that the content of f stands at, and follows its includes. The
// includer has made sure that they end.
func (b *Bundle) mount(f *bundled, at spot) {
	if slices.ContainsFunc(f.mounts, func(s spot) bool { return s.show == at.show }) {
		return
	}
	f.mounts = append(f.mounts, at)
	walk(f.tree, at, func(at spot, v *json5.Value) {
		for _, target := range includesOf(v) {
			if sub := b.file(b.target(f, target.Text)); sub != nil {
				b.mount(sub, at)
			}
		}
	})
}

// includesOf lists the file names that the object v includes.
func includesOf(v *json5.Value) []*json5.Value {
	inc := v.Get(includeKey)
	switch {
	case inc == nil:
		return nil
	case inc.Kind == json5.Array:
		return inc.Items
	}
	return []*json5.Value{inc}
}

// target is the name in the bundle of what f includes as text.
func (b *Bundle) target(f *bundled, text string) string {
	file := text
	if !filepath.IsAbs(file) {
		file = filepath.Join(b.dir, filepath.FromSlash(path.Dir(f.name)), file)
	}
	rel, err := filepath.Rel(b.dir, file)
	if err != nil {
		return ""
	}
	return filepath.ToSlash(rel)
}

// walk calls fn for v and all below it, the values of $include left out.
func walk(v *json5.Value, at spot, fn func(spot, *json5.Value)) {
	fn(at, v)
	for i, item := range v.Items {
		walk(item, at.item(i), fn)
	}
	for _, m := range v.Members {
		if m.Key != includeKey {
			walk(m.Value, at.key(m.Key), fn)
		}
	}
}

// replacement is another text for one string of a file.
type replacement struct {
	v    *json5.Value
	text string
}

// replace puts the new texts in, from the end so that earlier places stay.
func (f *bundled) replace(list []replacement) error {
	slices.SortFunc(list, func(x, y replacement) int { return cmp.Compare(y.v.Start, x.v.Start) })
	list = slices.CompactFunc(list, func(x, y replacement) bool { return x.v == y.v })
	text := f.text
	for _, r := range list {
		text = slices.Concat(text[:r.v.Start], []byte(json5.Quote(r.text)), text[r.v.End:])
	}
	return f.set(text)
}

// replaceStrings lets fn give strings another value; it gets each with every place
// at which it stands, and says false to keep it. The places of what was replaced
// are returned, sorted.
func (b *Bundle) replaceStrings(fn func(at spot, text string) (string, bool)) ([]string, error) {
	var changed []string
	for _, f := range b.files {
		var list []replacement
		f.strings(func(at spot, v *json5.Value) {
			if text, ok := fn(at, v.Text); ok {
				changed = append(changed, at.show)
				list = append(list, replacement{v, text})
			}
		})
		if err := f.replace(list); err != nil {
			return nil, err
		}
	}
	slices.Sort(changed)
	return slices.Compact(changed), nil
}

// strings calls fn for each string of the file at each of its places.
func (f *bundled) strings(fn func(spot, *json5.Value)) {
	for _, at := range f.mounts {
		walk(f.tree, at, func(at spot, v *json5.Value) {
			if v.Kind == json5.String {
				fn(at, v)
			}
		})
	}
}

// places lists where the strings that satisfy match stand, sorted.
func (b *Bundle) places(match func(at spot, text string) bool) []string {
	var out []string
	for _, f := range b.files {
		f.strings(func(at spot, v *json5.Value) {
			if match(at, v.Text) {
				out = append(out, at.show)
			}
		})
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// relativeIncludes rewrites includes by absolute paths, which name this place.
func (b *Bundle) relativeIncludes() error {
	for _, f := range b.files {
		var list []replacement
		var failed error
		walk(f.tree, spot{}, func(_ spot, v *json5.Value) {
			for _, t := range includesOf(v) {
				if t.Kind != json5.String || !filepath.IsAbs(t.Text) {
					continue
				}
				rel, err := filepath.Rel(filepath.FromSlash(path.Dir(f.name)), filepath.FromSlash(b.target(f, t.Text)))
				failed = errors.Join(failed, err)
				list = append(list, replacement{t, filepath.ToSlash(rel)})
			}
		})
		if err := errors.Join(failed, f.replace(list)); err != nil {
			return fmt.Errorf("config %s: %w", f.name, err)
		}
	}
	return nil
}

// Files returns the files as they are now, the root file first.
func (b *Bundle) Files() []BundleFile {
	out := make([]BundleFile, len(b.files))
	for i, f := range b.files {
		out[i] = BundleFile{f.name, f.text}
	}
	return out
}

// Rename gives the root file another name, in the same directory.
func (b *Bundle) Rename(name string) error {
	if other := b.file(name); other != nil && other != b.files[0] {
		return exitcode.With(exitcode.Config, fmt.Errorf("config %s: an included file is called %s, which is the name that the config itself has to have; rename it",
			filepath.Join(b.dir, b.files[0].name), name))
	}
	b.files[0].name = name
	return nil
}

// Write puts the files below dir with mode 0600 and replaces what is there.
func (b *Bundle) Write(dir string) error {
	for _, f := range b.files {
		file := filepath.Join(dir, filepath.FromSlash(f.name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return fmt.Errorf("config: %w", err)
		}
		if err := atomicfile.WriteFile(file, f.text, 0o600); err != nil {
			return fmt.Errorf("config: %w", err)
		}
	}
	return nil
}
