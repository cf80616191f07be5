package main

import "flag"

// soak runs the full lengths: 200 restarts below 50 clients, 50 kills, ten minutes of
// chaos, a process for each command of another client.
var soak = flag.Bool("soak", false, "run the load tests at full length")
