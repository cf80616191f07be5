package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"syscall"
)

// output is the standard output of a command, which remembers that something could not
// be written: a command whose answer is lost has not done what it was asked. Its
// methods are safe for concurrent use as far as those of the stream are.
type output struct {
	to    io.Writer
	wrong atomic.Pointer[error] // the first
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	if err != nil {
		o.wrong.CompareAndSwap(nil, &err)
	}
	return n, err
}

// failed is the first error of a write. A reader that has gone away has seen enough, and
// so has a person whose terminal is closed.
func (o *output) failed() error {
	err := o.wrong.Load()
	if err == nil || errors.Is(*err, syscall.EPIPE) || errors.Is(*err, syscall.EIO) {
		return nil
	}
	return *err
}

// streamOf is what an output writes to, and any other stream itself.
func streamOf(stream any) any {
	if o, ok := stream.(*output); ok {
		return o.to
	}
	return stream
}

// printJSON prints v for scripts, indented by two spaces.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// writeJSONLine writes v as one line.
func writeJSONLine(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// byteCount renders a number of bytes for people, in powers of 1024.
func byteCount(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	v, units := float64(n)/(1<<10), "KMGTPE"
	for v >= 1000 && len(units) > 1 {
		v, units = v/(1<<10), units[1:]
	}
	return fmt.Sprintf("%.1f %ciB", v, units[0])
}
