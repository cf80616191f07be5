package config

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestEnvFileTwice(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), ".env")
	for text, want := range map[string][]string{
		"":                                    nil,
		"A=1\nB=2\n\n# A=3\n":                 nil,
		"B=1\nA=1\nexport A=2\nB=3\nC=1\n":    {"A", "B"},
		"A=\"1\nA=2\"\n":                      nil,
		"A=1\nA=2\nnot a line\n":              nil,
		"\xef\xbb\xbfA=1\r\nA='2'\r\n# end\n": {"A"},
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := EnvFileTwice(path); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	if got := EnvFileTwice(path + ".gone"); got != nil {
		t.Errorf("no file: got %v", got)
	}
}
