package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"path/filepath"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/internal/json5"
)

const (
	includeKey      = "$include"
	maxIncludeDepth = 10  // files inside files (spec/config §2)
	maxIncludes     = 256 // files in all, so that lists of lists cannot multiply without end
)

// includer replaces $include by the contents of files below the directory of the
// root file. It stops at the first problem.
type includer struct {
	rootDir  string
	files    []string
	texts    [][]byte // of files
	read     int
	digest   hash.Hash
	problems []Problem
}

func newIncluder(root string, raw []byte) *includer {
	in := &includer{rootDir: filepath.Dir(root), digest: sha256.New()}
	in.digest.Write(raw)
	return in
}

// hash covers the root file and every included one, in the order of reading.
func (in *includer) hash() string { return hex.EncodeToString(in.digest.Sum(nil)) }

func (in *includer) fail(at place, format string, args ...any) {
	in.problems = append(in.problems, Problem{File: at.file, Line: at.line, Col: at.col, Message: fmt.Sprintf(format, args...)})
}

// resolve returns n with every include below it replaced. chain holds the files
// being read, the root first.
func (in *includer) resolve(n *node, chain []string) *node {
	if in.problems != nil {
		return n
	}
	switch n.kind {
	case json5.Array:
		for i, item := range n.items {
			n.items[i] = in.resolve(item, chain)
		}
	case json5.Object:
		for i := range n.members {
			if n.members[i].key != includeKey {
				n.members[i].val = in.resolve(n.members[i].val, chain)
			}
		}
		if i := memberIndex(n.members, includeKey); i >= 0 {
			return in.expand(n, i, chain)
		}
	}
	return n
}

// expand merges what member i of n includes with the other members of n.
func (in *includer) expand(n *node, i int, chain []string) *node {
	inc := n.members[i]
	n.members = slices.Delete(n.members, i, i+1)
	targets := []*node{inc.val}
	if inc.val.kind == json5.Array {
		targets = inc.val.items
	}
	var out *node
	for _, target := range targets {
		if target.kind != json5.String || target.text == "" {
			in.fail(target.at, "Invalid $include value: expected a file name or a list of file names, found %s", describe(target))
			return n
		}
		content := in.load(target, chain)
		if in.problems != nil {
			return n
		}
		if out == nil {
			out = content
		} else {
			out = merge(out, content)
		}
	}
	if out == nil { // an empty list
		return n
	}
	if len(n.members) == 0 {
		return out
	}
	if out.kind != json5.Object {
		in.fail(inc.at, "Invalid $include value: the included file must hold an object because keys stand beside it, holds %s", article(out.kind))
		return n
	}
	return merge(out, n)
}

func (in *includer) load(target *node, chain []string) *node {
	path := target.text
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(chain[len(chain)-1]), path)
	}
	path = filepath.Clean(path)
	switch {
	case slices.Contains(chain, path):
		in.fail(target.at, "Circular include detected: %s", strings.Join(append(slices.Clone(chain), path), " -> "))
	case len(chain) > maxIncludeDepth:
		in.fail(target.at, "Maximum include depth (%d) exceeded at: %s", maxIncludeDepth, path)
	case in.read >= maxIncludes:
		in.fail(target.at, "more than %d files are included", maxIncludes)
	case !inside(in.rootDir, path):
		in.fail(target.at, "Include path escapes config directory: %s", target.text)
	}
	if in.problems != nil {
		return nil
	}
	in.read++
	raw := in.readFile(target, path)
	if in.problems != nil {
		return nil
	}
	in.files, in.texts = append(in.files, path), append(in.texts, raw)
	fmt.Fprintf(in.digest, "\x00%s\x00", path)
	in.digest.Write(raw)
	tree, err := json5.Parse(raw)
	if err != nil {
		p := syntaxProblem(path, err)
		p.Message = "Failed to parse include file: " + p.Message
		in.problems = append(in.problems, p)
		return nil
	}
	return in.resolve(newNode(tree, path), append(slices.Clone(chain), path))
}

// readFile reads path after it has made sure that no symlink leads out of the config directory.
func (in *includer) readFile(target *node, path string) []byte {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		in.fail(target.at, "Failed to read include file: %v", err)
		return nil
	}
	root, err := filepath.EvalSymlinks(in.rootDir)
	if err != nil {
		in.fail(target.at, "Failed to read include file: %v", err)
		return nil
	}
	if !inside(root, real) {
		in.fail(target.at, "Include path resolves outside config directory (symlink): %s", target.text)
		return nil
	}
	raw, err := readBounded(real)
	if err != nil {
		in.fail(target.at, "Failed to read include file: %v", err)
	}
	return raw
}

// inside tells whether path lies in dir. Both are clean and absolute.
func inside(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
