package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"github.com/coderclaw/coderclaw/doctor"
	"github.com/coderclaw/coderclaw/gateway"
	"github.com/coderclaw/coderclaw/gateway/config"
	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/instance"
	"github.com/coderclaw/coderclaw/profiles"
)

// TestDocs holds the references in docs/ against the code that they describe.
// With -update it writes them.
func TestDocs(t *testing.T) {
	t.Parallel()
	const note = "<!-- Written by `just update`; do not edit. -->\n"
	schema, err := gateway.Schema()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"cli.md": cliReference(), "config.md": configReference(), "findings.md": findingsReference(), "protocol.md": protocolReference(), "states.md": statesReference(),
		"metrics.md": metricsReference(), "units.md": unitsReference(), "protocol.schema.json": string(schema),
	} {
		path := filepath.Join("..", "..", "docs", name)
		want := text
		if strings.HasSuffix(name, ".md") {
			want = note + text
		}
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, []byte(want)) {
			t.Errorf("docs/%s is stale; run: just update", name)
		}
	}
}

// cell makes text fit into a table.
func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ").Replace(s)
}

func statesReference() string {
	var b strings.Builder
	b.WriteString("# States of an instance\n\n`coderclaw ps` shows the state of each gateway. These are all of them, and all the ways between them:\n\n```mermaid\nstateDiagram-v2\n    [*] --> stopped\n")
	id := strings.NewReplacer("-", "_")
	for _, from := range instance.States() {
		if strings.Contains(string(from), "-") {
			fmt.Fprintf(&b, "    state %q as %s\n", from, id.Replace(string(from)))
		}
	}
	for _, from := range instance.States() {
		for _, to := range instance.Next(from) {
			fmt.Fprintf(&b, "    %s --> %s\n", id.Replace(string(from)), id.Replace(string(to)))
		}
	}
	b.WriteString("```\n\n| state | meaning |\n|---|---|\n")
	for _, s := range instance.States() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", s, s.Meaning())
	}
	return b.String()
}

func cliReference() string {
	var b strings.Builder
	b.WriteString("# Command line\n\nFlags of `coderclaw` itself stand before the first verb.\n")
	var walk func(path string, c *cli.Command)
	walk = func(path string, c *cli.Command) {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n", strings.TrimSpace(path+" "+c.ArgsUsage), c.Usage)
		if c.Description != "" {
			fmt.Fprintf(&b, "%s\n", c.Description)
		}
		if len(c.Flags) > 0 {
			b.WriteString("\n| flag | meaning |\n|---|---|\n")
		}
		for _, f := range c.Flags {
			df, ok := f.(cli.DocGenerationFlag)
			if !ok {
				continue
			}
			names := []string{}
			for _, n := range f.Names() {
				names = append(names, strings.Repeat("-", min(len(n), 2))+n)
			}
			fmt.Fprintf(&b, "| `%s` | %s |\n", strings.Join(names, "`, `"), cell(df.GetUsage()))
		}
		for _, sub := range c.Commands {
			walk(path+" "+sub.Name, sub)
		}
	}
	walk("coderclaw", new(app).root())
	b.WriteString(`
## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | failed, or doctor left an error or a warning |
| 2 | bad command line or environment |
| 3 | nothing is running (` + "`ps`, `supervisor status`, `down`, `open`, `dashboard`; `status` and `gateway status` with `--require-rpc`" + `) |
| 75 | a port or a lock is held by somebody else |
| 77 | no usable credential, or a bind that needs one |
| 78 | config or registry invalid |
`)
	return b.String()
}

func configReference() string {
	var b strings.Builder
	b.WriteString("# Config keys\n\nThe config is JSON5. Keys marked *not yet* are accepted with a warning and do nothing.\n\n| key | type | default | read | meaning |\n|---|---|---|---|---|\n")
	for _, k := range config.Reference() {
		read := "yes"
		if !k.Read {
			read = "*not yet*"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", cell(k.Path), cell(k.Type), cell(k.Default), read, cell(k.Doc))
	}
	return b.String()
}

func findingsReference() string {
	var b strings.Builder
	b.WriteString("# Findings of doctor\n\n`doctor --json` shows a finding as its code, its severity, the view in which it was made, and its evidence: a path, the key of a setting, " +
		"what it has and what it should have. Secrets are shown as the first digits of their hash. Codes are stable. Infos never count as something left.\n\n" +
		"*Mended* says what `doctor --repair` does: a repair marked *without undo* starts, reloads or resets something, of which nothing is left to take back; all others can be taken back.\n\n" +
		"| code | severity | mended | meaning | evidence | remedy |\n|---|---|---|---|---|---|\n")
	for _, d := range doctor.Codes() {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s |\n", d.Code, d.Severity, d.Mending, cell(d.Meaning), cell(d.Evidence), cell(d.Remedy))
	}
	return b.String()
}

func protocolReference() string {
	methods, events := gateway.Reference()
	var b strings.Builder
	b.WriteString("# Control plane\n\nWebSocket RPC, protocol 3, on any path of the gateway's port. `GET /healthz` and `GET /readyz` answer on the same port.\n" +
		"Parameters, results and events whole, as JSON Schema: [protocol.schema.json](protocol.schema.json), or `coderclaw gateway schema`.\n\n| method | scope | parameters |\n|---|---|---|\n")
	for _, m := range methods {
		var params []string
		for _, p := range m.Params {
			text := fmt.Sprintf("`%s` %s", p.Name, p.Type)
			if p.Rules != "" {
				text += " (" + p.Rules + ")"
			}
			params = append(params, text)
		}
		if !m.Closed {
			params = append(params, "others are ignored")
		}
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", m.Name, m.Need, strings.Join(params, "; "))
	}
	fmt.Fprintf(&b, "\nOnly the gateway of profile `%s`, under a supervisor, has `%s` and its event; see [rescue](rescue.md).\n", profiles.Rescue, protocol.MethodDoctor)
	b.WriteString("\n## Events\n\n")
	for _, e := range events {
		fmt.Fprintf(&b, "- `%s`\n", e)
	}
	fmt.Fprintf(&b, "\n## Why a connection was closed\n\nCode %d comes with what was wrong, then with the profile and a command that helps, in at most %d bytes: `pairing required [coderclaw --profile dev devices approve ID]`, "+
		"or `[default: coderclaw …]`. What was wrong is at the beginning, in the words of the error that answered the request, of which a hint in round brackets goes first where there is no room. "+
		"Clients look for words in it (`device token mismatch`, `pairing required`) and are to expect more behind them.\n\n| what was wrong | command |\n|---|---|\n", protocol.ClosePolicy, protocol.MaxReason)
	for _, r := range gateway.Remedies() {
		begins := "everything else"
		if r.Begins != "" {
			begins = "`" + strings.TrimSpace(r.Begins) + "`…"
		}
		if r.Holds != "" {
			begins += " with `" + r.Holds + "`"
		}
		fmt.Fprintf(&b, "| %s | `coderclaw %s` |\n", begins, r.Command)
	}
	return b.String()
}

// TestRemediesExist: what a close reason tells people to run is there.
func TestRemediesExist(t *testing.T) {
	t.Parallel()
	for _, r := range gateway.Remedies() {
		at := (&app{}).root()
		for word := range strings.FieldsSeq(r.Command) {
			next := at.Command(word)
			if next == nil {
				if at.Action == nil || at.ArgsUsage == "" {
					t.Errorf("coderclaw %s: there is no %s", r.Command, word)
				}
				break
			}
			at = next
		}
	}
}
