// Command floor is what the benchmark holds the product against: a bare Go
// program of the same build that listens on an inherited socket and answers
// every connection with one byte, or with -exit does nothing at all.
package main

import (
	"log"
	"net"
	"os"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "-exit" {
		return
	}
	l, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		log.Fatal(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		_, _ = c.Write([]byte("x"))
		_ = c.Close()
	}
}
