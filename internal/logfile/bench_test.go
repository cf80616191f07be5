package logfile_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coderclaw/coderclaw/internal/logfile"
)

// BenchmarkCapture stores 200 MiB that come through a pipe, as a child's output
// does, beside the floor: a plain copy of the same bytes into one file.
func BenchmarkCapture(b *testing.B) {
	const total = 200 << 20
	for _, kind := range []struct {
		name string
		line func(i int) string
	}{
		{"text", func(i int) string {
			return fmt.Sprintf("%08d the quick brown fox jumps over the lazy dog and runs on for about a hundred bytes in all\n", i)
		}},
		{"json", func(i int) string {
			return fmt.Sprintf(`{"time":"2030-01-02T03:04:05.%09dZ","level":"INFO","msg":"request served","id":%d,"method":"health","ok":true}`+"\n", 100000000+i, i)
		}},
		{"repeats", func(int) string { return strings.Repeat("again ", 16) + "\n" }},
	} {
		var block bytes.Buffer
		for i := 0; block.Len() < 8<<20; i++ {
			block.WriteString(kind.line(i))
		}
		text := block.Bytes()
		for _, way := range []struct {
			name string
			copy func(b *testing.B, dir string, r io.Reader) error
		}{
			{"floor", func(b *testing.B, dir string, r io.Reader) error {
				f, err := os.Create(filepath.Join(dir, "copy"))
				if err != nil {
					return err
				}
				// Without these wraps the kernel would splice, and no copy loop would run.
				_, err = io.CopyBuffer(struct{ io.Writer }{f}, struct{ io.Reader }{r}, make([]byte, 64<<10))
				return errors.Join(err, f.Close())
			}},
			{"logfile", func(b *testing.B, dir string, r io.Reader) error {
				w, err := logfile.Open(logfile.Options{Dir: dir})
				if err != nil {
					return err
				}
				_, err = w.ReadFrom(r)
				return errors.Join(err, w.Close())
			}},
		} {
			b.Run(kind.name+"/"+way.name, func(b *testing.B) {
				b.SetBytes(total)
				for b.Loop() {
					b.StopTimer()
					dir := b.TempDir()
					r, w, err := os.Pipe()
					if err != nil {
						b.Fatal(err)
					}
					fed := make(chan error, 1)
					b.StartTimer()
					go func() {
						var err error
						for left := total; left > 0 && err == nil; left -= len(text) {
							_, err = w.Write(text[:min(left, len(text))])
						}
						fed <- errors.Join(err, w.Close())
					}()
					if err := errors.Join(way.copy(b, dir, r), <-fed); err != nil {
						b.Fatal(err)
					}
					b.StopTimer()
					r.Close()
					os.RemoveAll(dir)
					b.StartTimer()
				}
			})
		}
	}
}
