package nodes

import (
	"encoding/json"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/coderclaw/coderclaw/gateway/protocol"
	"github.com/coderclaw/coderclaw/gateway/rpc"
)

// granting approves everything and remembers what it was asked.
type granting struct{ texts []string }

func (g *granting) Redeem(_ string, _ *rpc.Session, texts []string, _ protocol.ExecApproval, _ string) (string, *protocol.Error) {
	g.texts = texts
	return protocol.AllowOnce, nil
}

func TestRunParams(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, in, out, code string
		none                bool // without approvals
		texts               []string
	}{
		{name: "plain", in: `{"command":["ls"],"cwd":"/","env":{"A":"b"},"timeoutMs":5}`, out: `{"command":["ls"],"cwd":"/","env":{"A":"b"},"timeoutMs":5}`},
		{name: "what is not known stays here", in: `{"command":["ls"],"Approved":true,"approvedBy":"me","sudo":1}`, out: `{"command":["ls"]}`},
		{name: "claims that say nothing", in: `{"command":["ls"],"approved":"true","approvalDecision":"deny"}`, out: `{"command":["ls"]}`},
		{name: "the last of two", in: `{"command":["a"],"command":["b"]}`, out: `{"command":["b"]}`},
		{name: "no object", in: `[]`, code: "MISSING_COMMAND"},
		{name: "nothing", in: ``, code: "MISSING_COMMAND"},
		{name: "no command", in: `{"rawCommand":"ls"}`, code: "MISSING_COMMAND"},
		{name: "a text", in: `{"command":"ls"}`, code: "MISSING_COMMAND"},
		{name: "a blank command", in: `{"command":[" "]}`, code: "MISSING_COMMAND"},
		{name: "raw", in: `{"command":["ls","a b"],"rawCommand":"ls \"a b\""}`, out: `{"command":["ls","a b"],"rawCommand":"ls \"a b\""}`},
		{name: "raw of a shell", in: `{"command":["/bin/sh","-lc","ls; id"],"rawCommand":" ls; id"}`, out: `{"command":["/bin/sh","-lc","ls; id"],"rawCommand":" ls; id"}`},
		{name: "words approved", in: `{"command":["ls","a b"],"approved":true,"runId":"r"}`,
			out: `{"approvalDecision":"allow-once","approved":true,"command":["ls","a b"],"runId":"r"}`, texts: []string{`ls "a b"`, `ls a b`}},
		{name: "words of a program with a space", in: `{"command":["l s","a"],"approved":true,"runId":"r"}`,
			out: `{"approvalDecision":"allow-once","approved":true,"command":["l s","a"],"runId":"r"}`, texts: []string{`"l s" a`}},
		{name: "raw of something else", in: `{"command":["rm","-rf","/"],"rawCommand":"ls"}`, code: "RAW_COMMAND_MISMATCH"},
		{name: "raw of what only has a shell's name", in: `{"command":["/tmp/sh","-c","ls"],"rawCommand":"ls"}`, code: "RAW_COMMAND_MISMATCH"},
		{name: "no id", in: `{"command":["ls"],"approved":true}`, code: "MISSING_RUN_ID"},
		{name: "no approvals", in: `{"command":["ls"],"approvalDecision":"allow-once","runId":"r"}`, none: true, code: "APPROVALS_UNAVAILABLE"},
		{name: "approved", in: `{"command":["/bin/sh","-c","ls"],"approved":true,"runId":"r","approvalDecision":"allow-always"}`,
			out: `{"approvalDecision":"allow-once","approved":true,"command":["/bin/sh","-c","ls"],"runId":"r"}`, texts: []string{`/bin/sh -c ls`, `ls`}},
	} {
		g := &granting{}
		f := &Feature{approvals: g}
		if tc.none {
			f.approvals = nil
		}
		out, no := f.runParams(&rpc.Session{}, json.RawMessage(tc.in))
		code := ""
		if no != nil {
			code = no.Details.(map[string]string)["code"]
		}
		if string(out) != tc.out || code != tc.code || !slices.Equal(g.texts, tc.texts) {
			t.Errorf("%s: %s %q %q", tc.name, out, code, g.texts)
		}
	}
}

// Two commands that a person reads as the same text are the same.
func TestCommandText(t *testing.T) {
	t.Parallel()
	arg := rapid.StringOfN(rapid.SampledFrom([]rune("a\" \\\t")), 0, 4, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOfN(arg, 1, 3).Draw(t, "a"), rapid.SliceOfN(arg, 1, 3).Draw(t, "b")
		if !slices.Equal(a, b) && CommandText(a) == CommandText(b) {
			t.Fatalf("%q and %q are both %s", a, b, CommandText(a))
		}
	})
	if got := CommandText([]string{"sh", "-c", `echo "hi"`, "", `C:\x`}); got != `sh -c "echo \"hi\"" "" C:\x` {
		t.Error(got)
	}
}

// FuzzRunParams: whatever is sent, what goes on has nothing but what may go on.
func FuzzRunParams(f *testing.F) {
	f.Add([]byte(`{"command":["ls"],"approved":true,"rawCommand":"ls","runId":1}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		out, no := (&Feature{}).runParams(&rpc.Session{}, raw)
		if no != nil {
			return
		}
		var m map[string]json.RawMessage
		if err := json.Unmarshal(out, &m); err != nil {
			t.Fatal(err)
		}
		for key := range m {
			if !slices.Contains(runKeys(), key) {
				t.Errorf("%s went on", key)
			}
		}
	})
}

func TestPayload(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ payload, payloadJSON, want, text string }{
		{``, ``, ``, "-"},
		{`{"a":1}`, ``, `{"a":1}`, "-"},
		{`{"a":1}`, `null`, `{"a":1}`, "-"},
		{``, `"{\"b\":2}"`, `{"b":2}`, `{"b":2}`},
		{``, `{"c":3}`, `{"c":3}`, "-"},
		{``, `"no json"`, `{"payloadJSON":"no json"}`, "no json"},
		{`1`, `""`, `1`, ""},
	} {
		got, text := payload(protocol.NodeInvokeResultParams{Payload: json.RawMessage(tc.payload), PayloadJSON: json.RawMessage(tc.payloadJSON)})
		shown := "-"
		if text != nil {
			shown = *text
		}
		if string(got) != tc.want || shown != tc.text {
			t.Errorf("%s %s: %s %s", tc.payload, tc.payloadJSON, got, shown)
		}
	}
}
