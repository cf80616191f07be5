package servicegen

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/unit"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The wanted values are what systemd 252 showed for the same bytes.
func TestParseUnitReadsAsSystemdDoes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		src          string
		section, key string
		want         []string
	}{
		"continuation":                  {"[Unit]\nDescription=a \\\n   b\\\n# comment\n; other\n\tc\n", "Unit", "Description", []string{"a     b \tc"}},
		"blank ends continuation":       {"[Unit]\nDescription=a \\\n\n[Service]\nType=notify\n", "Service", "Type", []string{"notify"}},
		"continuation at the end":       {"[Unit]\nDescription=a \\", "Unit", "Description", []string{"a"}},
		"even backslashes":              {"[Unit]\nDescription=a \\\\\nAfter=b\n", "Unit", "After", []string{"b"}},
		"byte order mark, CRLF":         {"\ufeff[Unit]\r\nDescription=crlf x \r\n", "Unit", "Description", []string{"crlf x"}},
		"NUL":                           {"[Service]\x00Type=notify\x00", "Service", "Type", []string{"notify"}},
		"byte order mark alone":         {"\ufeff", "Service", "Type", nil},
		"comment in continuation, CRLF": {"[Service]\r\nExecStart=a \\\r\n# b\r\n  c\r\n", "Service", "ExecStart", []string{"a    c"}},
		"CR alone":                      {"[Service]\rType=notify\rUMask=7\r", "Service", "Type", []string{"notify"}},
		"spaces around":                 {"[Service]\n  Type \t=\t notify \n", "Service", "Type", []string{"notify"}},
		"repeated":                      {"[Unit]\nAfter=a\n[Service]\nType=x\n[Unit]\nAfter=b c\n", "Unit", "After", []string{"a", "b c"}},
		"reset":                         {"[Service]\nEnvironment=A=1\nEnvironment=\nEnvironment=B=2\n", "Service", "Environment", []string{"B=2"}},
		"outside of sections":           {"Type=x\n[Service]\nType=y\n", "Service", "Type", []string{"y"}},
		"comment is not UTF-8":          {"[Service]\n#\xff\xfe=1\nType=y\n", "Service", "Type", []string{"y"}},
		"equals sign in value":          {"[Service]\nEnvironment=A=b=c\n", "Service", "Environment", []string{"A=b=c"}},
	} {
		f, err := ParseUnit([]byte(tc.src))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := f.Values(tc.section, tc.key); !slices.Equal(got, tc.want) {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
		if got := f.String(); got != tc.src {
			t.Errorf("%s: bytes changed: got %q, want %q", name, got, tc.src)
		}
	}
}

func TestParseUnitRefusesWhatSystemdRefuses(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		src  string
		line int
		err  error
	}{
		"open section":  {"[Service]\nType=x\n[Unit\n", 3, errSection},
		"quoted header": {"[Ser'vice]\n", 1, errSection},
		"not UTF-8":     {"[Service]\n\xff\xfe=1\n", 2, errUTF8},
		"long line":     {"[Service]\nType=" + strings.Repeat("x", maxLine) + "\n", 2, errLongLine},
		"long together": {"[Service]\nType=" + strings.Repeat("x", maxLine/2) + "\\\n" + strings.Repeat("x", maxLine/2) + "\n", 3, errLongLine},
	} {
		_, err := ParseUnit([]byte(tc.src))
		e, ok := errors.AsType[*UnitError](err)
		if !ok || e.Line != tc.line || !errors.Is(err, tc.err) {
			t.Errorf("%s: got %v, want line %d: %v", name, err, tc.line, tc.err)
		}
	}
}

func TestParseUnitTakesLinesOfAMebibyte(t *testing.T) {
	t.Parallel()
	value := strings.Repeat("x", maxLine-len("Description="))
	f, err := ParseUnit([]byte("[Unit]\nDescription=" + value + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Values("Unit", "Description"); len(got) != 1 || got[0] != value {
		t.Error("a line of 1 MiB did not come back")
	}
}

// go-systemd's parser is the oracle for files that both can read: it refuses long
// lines, keeps continuations undecoded, and knows no other line ends, no comments
// within a continued line, and no lines that systemd skips.
func TestParseUnitAgreesWithGoSystemd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, agreesWithGoSystemd)
}

func FuzzParseUnitOracle(f *testing.F) { f.Fuzz(rapid.MakeFuzz(agreesWithGoSystemd)) }

func agreesWithGoSystemd(t *rapid.T) {
	plain := rapid.StringOfN(rapid.RuneFrom([]rune("abcXYZ09 \t=;#[]%$\"'üß日-_./:")), 0, 40, -1)
	value := rapid.Custom(func(t *rapid.T) string {
		parts := rapid.SliceOfN(plain, 1, 4).Draw(t, "parts")
		for i, p := range parts[1:] { // what begins a comment would be one, in a continued line as well
			parts[i+1] = "x" + p
		}
		text := strings.Join(parts, " \\\n")
		if rapid.IntRange(0, 9).Draw(t, "long") == 0 {
			text += strings.Repeat("x", rapid.IntRange(0, 1500).Draw(t, "length"))
		}
		return text
	})
	line := rapid.OneOf(
		rapid.SampledFrom([]string{"[Unit]", "[Service]", "  [X-Own]", "# note", "; note = 1", "", "ExecStart=", `ExecStart="/a b/c" d \"e`, "Nice=\t5 "}),
		rapid.Custom(func(t *rapid.T) string {
			space := rapid.SampledFrom([]string{"", " ", "\t "})
			return rapid.StringMatching(`[A-Za-z][A-Za-z0-9.-]{0,12}`).Draw(t, "key") + space.Draw(t, "before") + "=" + space.Draw(t, "behind") + value.Draw(t, "value")
		}),
	)
	src := "[Unit]\n" + strings.Join(rapid.SliceOf(line).Draw(t, "lines"), "\n") + "\n"
	want, err := unit.DeserializeOptions(strings.NewReader(src))
	if err != nil {
		t.Skip(err) // more than 2048 bytes in a line
	}
	for _, o := range want {
		o.Value = strings.Trim(strings.ReplaceAll(o.Value, "\\\n", " "), wordSpace)
	}
	f, err := ParseUnit([]byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if f.String() != src {
		t.Fatalf("bytes changed: %q, %q", src, f.String())
	}
	var got []*unit.UnitOption
	for _, l := range f.Lines {
		if l.Kind == LineSetting {
			got = append(got, unit.NewUnitOption(l.Section, l.Key, l.Value))
		}
	}
	if len(want) == 0 && len(got) == 0 {
		return
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("(-go-systemd +ours)\n%s\n%s", d, src)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		in   string
		want []string
	}{
		{``, []string{}},
		{`  a  b	c `, []string{"a", "b", "c"}},
		{`A=1 "B=2 3" C="x y"z D=\x41\101\u00e9\s. E=a\qb`, []string{"A=1", "B=2 3", "C=x yz", "D=AAé .", `E=a\qb`}}, // as systemd 252
		{`'single "inner"' "double 'inner'"`, []string{`single "inner"`, `double 'inner'`}},
		{`"" ''`, []string{"", ""}},
		{`"a\"b" a\\b`, []string{`a"b`, `a\b`}},
		{`\; x`, []string{";", "x"}},
		{`\x0 \0 \x00 \u12 \`, []string{`\x0`, `\0`, `\x00`, `\u12`, `\`}},
		{`%h $HOME ${X}`, []string{"%h", "$HOME", "${X}"}},
		{`\U0001F600`, []string{"😀"}},
	} {
		got, err := Words(tc.in)
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%q: got %q, %v; want %q", tc.in, got, err, tc.want)
		}
	}
	if got, err := Words(`a "b`); !errors.Is(err, errQuote) || !slices.Equal(got, []string{"a"}) {
		t.Errorf("open quote: got %q, %v", got, err)
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"45": "45s", "45s": "45s", "1min 30s": "90s", "1.5h": "5400s", "100ms": "100ms", "2us": "2us", "1 min": "60s", "90 sec": "90s",
		"1d": "86400s", "infinity": "infinity", "0": "0s", "500000us": "500ms",
		"": "", "x": "x", "5 parsecs": "5 parsecs", "1.2.3": "1.2.3", "99999999999999999999w": "99999999999999999999w",
	} {
		if got := canonicalSpan(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if got := canonicalMicros(1<<64 - 1); got != forever {
		t.Errorf("no limit: got %q", got)
	}
	if got := canonicalMicros(45_000_000); got != "45s" {
		t.Errorf("45 s: got %q", got)
	}
}

func FuzzParseUnit(f *testing.F) {
	for _, s := range []string{"[Unit]\nA=b\\\n#c\n d\r\n[X]\r\r\n\x00", "[Service]\nEnvironment=\"A=1\" CODERCLAW_X=2\n", "[a"} {
		f.Add([]byte(s))
	}
	files, err := filepath.Glob("testdata/render/*.service")
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
	f.Fuzz(func(t *testing.T, src []byte) {
		u, err := ParseUnit(src)
		if err == nil && u.String() != string(src) {
			t.Fatalf("bytes changed: got %q", u.String())
		}
		checkRewrite(t, FormatSystemd, src)
	})
}

func FuzzWords(f *testing.F) {
	f.Add(`"a b" c\x41 'd`)
	f.Fuzz(func(t *testing.T, in string) {
		words, err := Words(in)
		if err != nil {
			return
		}
		again, err := Words(joinExec(words))
		if err != nil || !slices.Equal(again, words) {
			t.Fatalf("%q: got %q, then %q, %v", in, words, again, err)
		}
	})
}

// checkRewrite holds what must be true of any input.
func checkRewrite(t *testing.T, f Format, src []byte) {
	t.Helper()
	OriginOf(f, src)
	if s, err := readSpec(f, "x.service", src); err == nil && len(s.Exec) == 0 {
		t.Fatal("read a spec without a program")
	}
	o := options(f)
	wants := []Spec{ForProfile(profile("default"), o)}
	o.Scope = ScopeSystem
	wants = append(wants, ForProfile(profile("default"), o))
	if f == FormatSystemd {
		o.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:80"), netip.MustParseAddrPort("[::1]:80")}
		wants = append(wants, SocketFor(profile("default"), o))
	}
	want := wants[len(src)%len(wants)]
	view, err := want.View()
	if err != nil {
		t.Fatal(err)
	}
	out, err := Rewrite(src, want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseView(f, want.Scope, out)
	if err != nil {
		t.Fatalf("%v\n%q", err, out)
	}
	if d := Diff(view, got); len(d) > 0 {
		t.Fatalf("left %v\n%q", d, out)
	}
	again, err := Rewrite(out, want)
	if err != nil || string(again) != string(out) {
		t.Fatalf("second time: %v\n%q\n%q", err, out, again)
	}
}
