//go:build unix && !linux

package main

import (
	"context"
	"errors"
)

var errLinuxOnly = errors.New("this benchmark reads /proc and runs on Linux only")

const superviseVerb = "supervise"

func benchSupervisor(context.Context, []string) error { return errLinuxOnly }

func benchRPC(context.Context, []string) error { return errLinuxOnly }

func supervise(context.Context, []string) error { return errLinuxOnly }
