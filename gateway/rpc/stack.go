package rpc

import "runtime/debug"

// stack is the stack of the goroutine that panics, for the log.
func stack() string { return string(debug.Stack()) }
