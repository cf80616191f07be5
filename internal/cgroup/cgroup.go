// Package cgroup owns what the supervisor does with control groups, version 2:
// finding the one that was handed to it, a leaf in it for each instance, the
// limits of a leaf, and its end. It changes no group that was not handed over:
// Detect then returns an error that says why, and the caller does without.
//
// It starts no process; Leaf.FD is for whoever does. It does not decide what an
// instance may use, nor what follows when it used too much.
package cgroup

import "strings"

// Names of the groups that are made below the one handed over.
const (
	supervisorLeaf = "supervisor" // holds the supervisor itself
	leafPrefix     = "instance-"  // and then the profile's name
)

// wanted are the controllers that a leaf can do something with. Where one is
// missing, the rest works.
func wanted() []string { return []string{"memory", "pids", "cpu"} }

// Missing is one controller that leaves do not have.
type Missing struct {
	Controller string // "memory", "pids" or "cpu"
	Why        string // to be read by people
}

// Limits are those of one leaf with all that is below it. Zero means no limit.
type Limits struct {
	MemoryHigh uint64 // bytes; above it the kernel slows the leaf down and reclaims
	MemoryMax  uint64 // bytes; above it the kernel kills
	PidsMax    uint64 // threads, which is what the kernel counts
}

// Applied tells which limits, of those that were asked for, are in force.
type Applied struct{ MemoryHigh, MemoryMax, PidsMax bool }

// Events count what happened to a leaf's memory since the leaf was made.
type Events struct {
	High    uint64 // times the soft limit was passed
	Max     uint64 // times the hard limit was about to be passed
	OOM     uint64 // times an allocation was about to fail for the limit
	OOMKill uint64 // processes killed for memory
}

// validName tells whether name can be part of a group's name.
func validName(name string) bool {
	return name != "" && len(name) < 200 && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r == '/' || r >= 0x7f
	})
}
