package nodes

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// Approvals knows what people decided on commands.
type Approvals interface {
	// Redeem returns the decision, allow-once or allow-always, under which s may run
	// a command as the approval id says, or why it may not. texts are the ways to write
	// the command, of which run holds the circumstances; wanted is the decision that s
	// claims. One that was given once is spent.
	Redeem(id string, s *rpc.Session, texts []string, run protocol.ExecApproval, wanted string) (decision string, no *protocol.Error)
}

// runKeys are the parameters of system.run that go to the node as they come. What
// says that a command was approved is never among them.
func runKeys() []string {
	return []string{"command", "rawCommand", "cwd", "env", "timeoutMs", "needsScreenRecording", "agentId", "sessionKey", "runId"}
}

// runParams makes the parameters of system.run that a node is sent of those that an
// operator sent. That a command was approved is believed only where the record of
// the approval says so.
func (f *Feature) runParams(s *rpc.Session, raw json.RawMessage) (json.RawMessage, *protocol.Error) {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(raw, &given); err != nil || given == nil {
		return nil, refuseRun("MISSING_COMMAND", "system.run needs params.command, a list of texts", "")
	}
	argv, ok := words(given["command"])
	if !ok {
		return nil, refuseRun("MISSING_COMMAND", "system.run needs params.command, a list of texts", "")
	}
	texts := commandTexts(argv)
	if text := strings.TrimSpace(textOf(given["rawCommand"])); text != "" && !slices.Contains(texts, text) {
		return nil, refuseRun("RAW_COMMAND_MISMATCH", "rawCommand does not match command", "")
	}
	next := map[string]any{}
	for key, value := range given {
		if slices.Contains(runKeys(), key) {
			next[key] = value
		}
	}
	wanted := textOf(given["approvalDecision"])
	claims := string(given["approved"]) == "true"
	if claims || wanted == protocol.AllowOnce || wanted == protocol.AllowAlways {
		id := strings.TrimSpace(textOf(given["runId"]))
		if id == "" {
			return nil, refuseRun("MISSING_RUN_ID", "a command that was approved needs params.runId, the id of the approval", "")
		}
		if f.approvals == nil {
			return nil, refuseRun("APPROVALS_UNAVAILABLE", "this gateway keeps no approvals", id)
		}
		run := protocol.ExecApproval{Cwd: nullable(given["cwd"]), AgentID: nullable(given["agentId"]), SessionKey: nullable(given["sessionKey"])}
		decision, no := f.approvals.Redeem(id, s, texts, run, wanted)
		if no != nil {
			return nil, no
		}
		next["approved"], next["approvalDecision"] = true, decision
	}
	out, err := json.Marshal(next)
	if err != nil {
		return nil, protocol.Invalid("system.run: " + err.Error())
	}
	return out, nil
}

func refuseRun(code, message, runID string) *protocol.Error {
	no := protocol.Invalid(message)
	details := map[string]string{"code": code}
	if runID != "" {
		details["runId"] = runID
	}
	no.Details = details
	return no
}

// words reads a command: a list of texts whose first says what to run.
func words(raw json.RawMessage) (argv []string, ok bool) {
	if err := json.Unmarshal(raw, &argv); err != nil || len(argv) == 0 || strings.TrimSpace(argv[0]) == "" {
		return nil, false
	}
	return argv, true
}

func textOf(raw json.RawMessage) string {
	var text string
	_ = json.Unmarshal(raw, &text) // of anything else none
	return text
}

// nullable is a text that counts as not given when it is blank.
func nullable(raw json.RawMessage) *string {
	if text := strings.TrimSpace(textOf(raw)); text != "" {
		return &text
	}
	return nil
}

// CommandText is a command as a person who decides on it reads it. Different
// commands have different texts.
func CommandText(argv []string) string {
	out := make([]string, len(argv))
	for i, arg := range argv {
		out[i] = arg
		if arg == "" || strings.ContainsFunc(arg, func(r rune) bool { return r == '"' || isSpace(r) }) {
			out[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(arg) + `"`
		}
	}
	return strings.Join(out, " ")
}

// commandTexts are the ways to write a command by which clients of the family ask for
// its approval: as CommandText has it, the words alone, and of a shell the script.
// In the words alone it does not show where one ends, but which program runs.
func commandTexts(argv []string) []string {
	texts := []string{CommandText(argv)}
	if !strings.ContainsFunc(argv[0], isSpace) {
		texts = append(texts, strings.Join(argv, " "))
	}
	if script, isShell := shellScript(argv); isShell {
		texts = append(texts, strings.TrimSpace(script))
	}
	return slices.Compact(texts)
}

func isSpace(r rune) bool { return strings.TrimSpace(string(r)) == "" }

// shellScript returns the script of a command that is a shell of the system with
// one. A program elsewhere that only has the name of a shell is none.
func shellScript(argv []string) (script string, ok bool) {
	if len(argv) != 3 || !slices.Contains([]string{"-c", "-lc"}, argv[1]) {
		return windowsScript(argv)
	}
	name := strings.TrimPrefix(strings.TrimPrefix(argv[0], "/usr"), "/bin/")
	return argv[2], slices.Contains([]string{"sh", "bash", "dash", "zsh", "ash"}, name)
}

func windowsScript(argv []string) (script string, ok bool) {
	if len(argv) != 5 || !strings.EqualFold(argv[0], "cmd.exe") {
		return "", false
	}
	return argv[4], strings.EqualFold(strings.Join(argv[1:4], " "), "/d /s /c")
}
