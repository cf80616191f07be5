package servicegen

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"howett.net/plist"
	"pgregory.net/rapid"
)

func TestPlistViewReadsBinaryToo(t *testing.T) {
	t.Parallel()
	s := ForProfile(profile("default"), options(FormatLaunchd))
	text, err := s.Plist()
	if err != nil {
		t.Fatal(err)
	}
	d, err := decodePlist(text)
	if err != nil {
		t.Fatal(err)
	}
	d["Nice"] = 5
	d["Disabled"] = true
	binary, err := plist.Marshal(map[string]any(d), plist.BinaryFormat)
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.View()
	if err != nil {
		t.Fatal(err)
	}
	have, err := ParseView(FormatLaunchd, ScopeUser, binary)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Difference{{Key: "Disabled", Have: "true"}}, Diff(want, have)); d != "" {
		t.Error(d)
	}
	out, err := Rewrite(binary, s)
	if err != nil {
		t.Fatal(err)
	}
	have, err = ParseView(FormatLaunchd, ScopeUser, out)
	if err != nil {
		t.Fatal(err)
	}
	if d := Diff(want, have); len(d) > 0 {
		t.Errorf("left %v", d)
	}
	if d := cmp.Diff([]KeyValue{{Key: "Nice", Value: "5"}}, have.Foreign); d != "" {
		t.Error(d)
	}
}

// Any set of foreign and changed keys ends without a difference, keeps what is
// foreign and all comments, and changes nothing the second time.
func TestRewritePlistConverges(t *testing.T) {
	t.Parallel()
	member := rapid.SampledFrom([]string{
		"<key>Nice</key>\n\t<integer>5</integer>", "<key>Label</key><string>other</string>", "<key>Disabled</key>\n\t<true/>", "<key>KeepAlive</key> <true/>",
		"<key>EnvironmentVariables</key>\n\t<dict>\n\t\t<key>A</key>\n\t\t<string>1</string>\n\t\t<key>CODERCLAW_X</key>\n\t\t<string>y</string>\n\t</dict>",
		"<key>EnvironmentVariables</key><dict/>", "<key>EnvironmentVariables</key><dict><key>CODERCLAW_REGISTRY</key><string>/x</string></dict>",
		"<key>ProgramArguments</key>\n\t<array>\n\t\t<string>/bin/sleep</string>\n\t</array>", "<!-- mine -->", "<key>Umask</key>\n\t<integer>18</integer>",
		"<key>WatchPaths</key>\n\t<array/>", "<key>Comment</key>\n\t<string>a &amp; b</string>",
	})
	rapid.Check(t, func(t *rapid.T) {
		want := ForProfile(profile("default"), options(FormatLaunchd))
		members := rapid.SliceOfNDistinct(member, 0, -1, func(s string) string {
			key, _, _ := strings.Cut(s, "</key>") // a repeated key is malformed
			return key
		}).Draw(t, "members")
		sep := rapid.SampledFrom([]string{"\n\t", ""}).Draw(t, "separator")
		old := `<?xml version="1.0" encoding="UTF-8"?>` + "\n<plist version=\"1.0\">\n<dict>" + sep + strings.Join(members, sep) + "\n</dict>\n</plist>\n"
		got, err := Rewrite([]byte(old), want)
		if err != nil {
			t.Fatal(err)
		}
		wantView, err := want.View()
		if err != nil {
			t.Fatal(err)
		}
		oldView, err := ParseView(FormatLaunchd, ScopeUser, []byte(old))
		if err != nil {
			t.Fatal(err)
		}
		gotView, err := ParseView(FormatLaunchd, ScopeUser, got)
		if err != nil {
			t.Fatal(err)
		}
		if d := Diff(wantView, gotView); len(d) > 0 {
			t.Fatalf("left %v in\n%s", d, got)
		}
		if d := cmp.Diff(oldView.Foreign, gotView.Foreign); d != "" {
			t.Fatalf("foreign keys (-old +new)\n%s\nold:\n%s\nnew:\n%s", d, old, got)
		}
		if strings.Contains(old, "<!-- mine -->") != strings.Contains(string(got), "<!-- mine -->") {
			t.Fatalf("the comment is gone from\n%s", got)
		}
		again, err := Rewrite(got, want)
		if err != nil || string(again) != string(got) {
			t.Fatalf("second time: %v\n%s", err, cmp.Diff(string(got), string(again)))
		}
		if o := OriginOf(FormatLaunchd, got); o.Kind != OriginOurs {
			t.Fatalf("origin %+v of\n%s", o, got)
		}
	})
}

func FuzzParsePlist(f *testing.F) {
	files, err := filepath.Glob("testdata/render/*.plist")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("<plist><dict><key>EnvironmentVariables</key><string>x</string></dict></plist>"))
	f.Add([]byte("{ Label = x; }"))
	f.Fuzz(func(t *testing.T, src []byte) { checkRewrite(t, FormatLaunchd, src) })
}
