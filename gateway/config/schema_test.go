package config

import (
	"strings"
	"testing"
)

func TestReference(t *testing.T) {
	t.Parallel()
	docs := Reference()
	seen := map[string]KeyDoc{}
	for _, d := range docs {
		if _, dup := seen[d.Path]; dup {
			t.Errorf("%s is listed twice", d.Path)
		}
		seen[d.Path] = d
		if d.Type == "" || !strings.HasSuffix(d.Doc, ".") || d.Path == "" || strings.Contains(d.Path, "..") {
			t.Errorf("incomplete: %+v", d)
		}
		parent := d.Path[:max(strings.LastIndexAny(d.Path, ".["), 0)]
		if p, ok := seen[strings.TrimSuffix(parent, "[]")]; ok && d.Read && !p.Read {
			t.Errorf("%s is read, but %s is not", d.Path, p.Path)
		}
	}
	for path, want := range map[string]KeyDoc{
		"gateway.port":               {Type: "integer from 1 to 65535", Read: true},
		"gateway.auth.mode":          {Type: "token, password, none, trusted-proxy", Read: true},
		"gateway.trustedProxies":     {Type: "list of text", Read: true},
		"env.*":                      {Type: "text", Read: true},
		"agents.list[].id":           {Type: "text"},
		"models.providers.*.baseUrl": {Type: "text"},
		"cron.sessionRetention":      {Type: "text, boolean"},
		"channels.telegram":          {Type: "object"},
	} {
		if got := seen[path]; got.Type != want.Type || got.Read != want.Read {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if len(docs) < 400 {
		t.Errorf("only %d keys", len(docs))
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	keys := gatewayKeys()
	for _, tt := range []struct{ name, want string }{
		{"prot", "port"}, {"ports", "port"}, {"BIND", "bind"}, {"mod", "mode"}, {"controlUI", "controlUi"},
		{"trustedProxy", "trustedProxies"}, {"zzz", ""}, {"", ""}, {strings.Repeat("port", 50), ""},
	} {
		if got := nearest(tt.name, keys); got != tt.want {
			t.Errorf("nearest(%.20q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}
