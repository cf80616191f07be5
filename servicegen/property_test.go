package servicegen

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// awkwardText draws what paths may hold, with the characters that mean
// something to one of the formats far more often than by chance.
func awkwardText() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.SampledFrom([]string{`\`, `"`, `'`, "%", "$", "%h", "$HOME", "${HOME}", "$$", "%%", " ", "  ", ";", "#", "=", `\x41`, `\n`, "é", "日本", "<", "&", "]]>", "{{x}}", "a", "/"}),
		rapid.StringOfN(rapid.RuneFrom([]rune("abcXYZ019_-.+~")), 1, 6, -1),
		rapid.Map(rapid.Rune(), func(r rune) string {
			if carriable(string(r)) != nil || r == utf8.RuneError {
				return "r"
			}
			return string(r)
		}),
	)
	return rapid.Map(rapid.SliceOfN(piece, 0, 8), func(p []string) string { return strings.Join(p, "") })
}

func drawSpec(t *rapid.T, f Format) Spec {
	s := Spec{
		Format:      f,
		Scope:       rapid.SampledFrom([]Scope{ScopeUser, ScopeSystem}).Draw(t, "scope"),
		Name:        map[Format]string{FormatSystemd: "x.service", FormatLaunchd: "ai.x"}[f],
		Profile:     rapid.StringMatching(`[a-z0-9][a-z0-9_-]{0,8}`).Draw(t, "profile"),
		Description: strings.TrimFunc(awkwardText().Draw(t, "description"), func(r rune) bool { return unicode.IsSpace(r) || r == '\\' }),
		Version:     rapid.SampledFrom([]string{"", "0.1.0", "1.2.3-rc.1+x", "dev"}).Draw(t, "version"),
		StopTimeout: time.Duration(rapid.IntRange(1, 100_000).Draw(t, "stop")) * time.Second,
	}
	exe := cleanPath(f, "/"+awkwardText().Draw(t, "exe")+"/coderclaw")
	s.Exec = []string{exe, "supervisor", "run", "--profile", s.Profile}
	s.Exec = append(s.Exec, rapid.SliceOfN(awkwardText(), 0, 3).Draw(t, "extra")...)
	for _, name := range []string{"CODERCLAW_HOME", "CODERCLAW_REGISTRY"} {
		if rapid.Bool().Draw(t, name+" set") {
			s.Env = append(s.Env, EnvVar{name, awkwardText().Draw(t, name)})
		}
	}
	if f == FormatLaunchd {
		s.LogDir = "/" + awkwardText().Draw(t, "logs")
	}
	if s.Scope == ScopeSystem && rapid.Bool().Draw(t, "as user") {
		s.User = "claw"
		s.Group = rapid.SampledFrom([]string{"", "claws"}).Draw(t, "group")
	}
	if f != FormatSystemd {
		return s
	}
	s.Socket = rapid.SampledFrom([]string{"", "x.socket"}).Draw(t, "socket")
	if s.Scope == ScopeUser {
		s.Unconfined = rapid.Bool().Draw(t, "unconfined")
		return s
	}
	for _, p := range rapid.SliceOfDistinct(awkwardText(), func(p string) string { return cleanPath(f, "/"+p) }).Draw(t, "writable") {
		s.Writable = append(s.Writable, cleanPath(f, "/"+p))
	}
	slices.Sort(s.Writable)
	return s
}

// drawSocket draws a socket unit.
func drawSocket(t *rapid.T) Spec {
	s := Spec{
		Format: FormatSystemd, Scope: rapid.SampledFrom([]Scope{ScopeUser, ScopeSystem}).Draw(t, "scope"), Name: "x.socket",
		Description: strings.TrimFunc(awkwardText().Draw(t, "description"), func(r rune) bool { return unicode.IsSpace(r) || r == '\\' }),
		Version:     rapid.SampledFrom([]string{"", "0.1.0", "dev"}).Draw(t, "version"),
	}
	addr := rapid.SampledFrom([]string{"127.0.0.1", "::1", "0.0.0.0", "::", "192.0.2.1", "fe80::1%lo"})
	for _, text := range rapid.SliceOfNDistinct(addr, 1, -1, rapid.ID).Draw(t, "addresses") {
		s.Listen = append(s.Listen, netip.AddrPortFrom(netip.MustParseAddr(text), rapid.Uint16Min(1).Draw(t, "port")))
	}
	return s
}

func TestReadingUndoesRendering(t *testing.T) {
	t.Parallel()
	for _, f := range []Format{FormatSystemd, FormatLaunchd} {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				s := drawSpec(t, f)
				if f == FormatSystemd && rapid.IntRange(0, 3).Draw(t, "kind") == 0 {
					s = drawSocket(t)
				}
				text, err := s.Render()
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(s, readBack(t, s, text), cmpopts.EquateComparable(netip.AddrPort{})); d != "" {
					t.Fatalf("(-want +got)\n%s\n%s", d, text)
				}
				if o := OriginOf(f, text); o.Kind != OriginOurs {
					t.Fatalf("origin %+v of\n%s", o, text)
				}
			})
		})
	}
}

func TestQuotedWordsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(awkwardText()).Draw(t, "words")
		var line []string
		for i, w := range words {
			if i%2 == 0 {
				line = append(line, quoteWord(w))
			} else {
				line = append(line, quoteIfNeeded(w))
			}
		}
		got, err := Words(strings.Join(line, " \t"))
		if err != nil || !slices.Equal(got, words) {
			t.Fatalf("got %q, %v; want %q", got, err, words)
		}
	})
}

// Rewriting any mixture of lines ends without a difference, keeps every foreign
// setting, and changes nothing the second time.
func TestRewriteConverges(t *testing.T) {
	t.Parallel()
	lines := rapid.SampledFrom([]string{
		"[Unit]", "[Service]", "[Install]", "[X-Own]", "# note", "; note", "", "junk",
		"Description=other", "Description=a \\\n  b", "ExecStart=", "ExecStart=/bin/sleep 1", "ExecStart=\"/usr/local/bin/coderclaw\" supervisor run --profile dev",
		"Type=simple", "Restart=always", "RestartSec=5", "TimeoutSec=9", "StartLimitInterval=1", "StartLimitBurst=99", "KillMode=process",
		"Environment=", "Environment=A=1 CODERCLAW_GATEWAY_PORT=1 \"B=2 3\"", "Environment=CODERCLAW_REGISTRY=/x", "Environment=A=1 \\\n# in between\n  CODERCLAW_X=y",
		"WantedBy=multi-user.target", "WantedBy=", "Nice=5", "EnvironmentFile=/etc/x", "ExecStartPre=/bin/true", "UMask=22", "Foo=\\", "After=x.service",
		"NoNewPrivileges=no", "SystemCallFilter=@known", "SystemCallFilter=~@swap @module", "SystemCallFilter=", "CapabilityBoundingSet=CAP_KILL",
		"ReadWritePaths=/x \"-/y z\"", "ProtectSystem=1", "User=bob", "Group=bob", "Sockets=y.socket",
		"[Socket]", "ListenStream=80", "ListenStream=", "ListenStream=[::1]:80%%lo", "NoDelay=off", "Backlog=010", "Accept=yes",
	})
	listen := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:80"), netip.MustParseAddrPort("[::1]:80")}
	wants := rapid.Custom(func(t *rapid.T) Spec {
		o := options(FormatSystemd)
		o.Scope = rapid.SampledFrom([]Scope{ScopeUser, ScopeSystem}).Draw(t, "scope")
		if o.Scope == ScopeSystem {
			o.User = rapid.SampledFrom([]string{"", "claw"}).Draw(t, "user")
			o.RegistryPath = rapid.SampledFrom([]string{o.RegistryPath, "/etc/my claws/profiles.toml"}).Draw(t, "registry")
		}
		switch rapid.SampledFrom([]string{"service", "with socket", "socket"}).Draw(t, "kind") {
		case "with socket":
			o.Listen = listen
		case "socket":
			o.Listen = listen
			return SocketFor(profile("default"), o)
		}
		return ForProfile(profile(rapid.SampledFrom([]string{"default", "free"}).Draw(t, "profile")), o)
	})
	rapid.Check(t, func(t *rapid.T) {
		want := wants.Draw(t, "want")
		eol := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "eol")
		old := strings.Join(rapid.SliceOf(lines).Draw(t, "lines"), eol)
		if rapid.Bool().Draw(t, "closed") {
			old += eol
		}
		got, err := Rewrite([]byte(old), want)
		if err != nil {
			t.Fatal(err)
		}
		wantView, err := want.View()
		if err != nil {
			t.Fatal(err)
		}
		gotView, err := ParseView(FormatSystemd, want.Scope, got)
		if err != nil {
			t.Fatal(err)
		}
		if d := Diff(wantView, gotView); len(d) > 0 {
			t.Fatalf("left %v in\n%s", d, got)
		}
		oldView, err := ParseView(FormatSystemd, want.Scope, []byte(old))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(oldView.Foreign, gotView.Foreign); d != "" {
			t.Fatalf("foreign settings (-old +new)\n%s\nold:\n%s\nnew:\n%s", d, old, got)
		}
		again, err := Rewrite(got, want)
		if err != nil || string(again) != string(got) {
			t.Fatalf("second time: %v\n%s", err, cmp.Diff(string(got), string(again)))
		}
		if o := OriginOf(FormatSystemd, got); o.Kind != OriginOurs {
			t.Fatalf("origin %+v of\n%s", o, got)
		}
	})
}
