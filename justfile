# Thin recipes; each is one command that also works without just.

tags := "urfave_cli_no_template"

# three isolated gateways, supervised, until Ctrl-C
run *ARGS:
    go run ./cmd/coderclaw up {{ARGS}}

# the binary, as released
build:
    CGO_ENABLED=0 go build -tags {{tags}} -trimpath -ldflags "-s -w" -o bin/coderclaw ./cmd/coderclaw

test *ARGS:
    go test ./... {{ARGS}}

# speed and memory beside a floor of the same run
bench *ARGS:
    go run ./cmd/bench {{ARGS}}

# the supervisor alone, over 3, 50 and 300 children that are next to nothing
bench-supervisor *ARGS:
    go run ./cmd/bench supervisor {{ARGS}}

# the gateway's protocol: calls, handshakes, one event to 10 000 clients and what they weigh
bench-rpc *ARGS:
    go run ./cmd/bench rpc {{ARGS}}

# what systemd-analyze says of every shape of unit
units:
    go run ./cmd/units

lint:
    go vet ./...
    go tool -modfile=tools.mod staticcheck ./...
    gofmt -l .

# rewrite the generated references and golden files
update:
    go test ./cmd/coderclaw ./servicegen -update

ci:
    .ci/run

# the full lengths: 200 restarts below 50 clients, 50 kills, ten minutes of chaos, hostile clients, a minute for each fuzz target
soak:
    go test ./cmd/coderclaw -run 'UnderLoad|Chaos' -count=1 -v -timeout 30m -args -soak
    go test ./gateway -run '^TestHostile' -count=1 -v -timeout 30m -args -soak
    FUZZTIME=60s .ci/run
