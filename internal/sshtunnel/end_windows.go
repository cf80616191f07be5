package sshtunnel

import "os"

// terminate ends ssh; this system has nothing gentler.
func terminate(p *os.Process) { _ = p.Kill() } // it may just have ended
