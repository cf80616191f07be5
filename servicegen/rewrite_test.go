package servicegen

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// Each file of testdata/rewrite holds a service file before and after a rewrite,
// and the differences that lead from one to the other.
func TestRewriteGoldens(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/rewrite/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			format := FormatSystemd
			if strings.HasSuffix(a.Files[0].Name, ".plist") {
				format = FormatLaunchd
			}
			want := ForProfile(profile("default"), options(format))
			old := a.Files[0].Data
			got, err := Rewrite(old, want)
			if err != nil {
				t.Fatal(err)
			}
			wantView, err := want.View()
			if err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			if oldView, err := ParseView(format, ScopeUser, old); err != nil {
				said.WriteString("unreadable: " + err.Error() + "\n")
			} else {
				for _, d := range Diff(wantView, oldView) {
					said.WriteString(d.Key + "\n  want " + d.Want + "\n  have " + d.Have + "\n")
				}
				for _, kv := range oldView.Foreign {
					said.WriteString("foreign " + strings.TrimLeft(kv.Section+" "+kv.Key+" = "+kv.Value, " ") + "\n")
				}
			}
			said.WriteString("origin " + string(OriginOf(format, old).Kind) + "\n")
			out := &txtar.Archive{Comment: a.Comment, Files: []txtar.File{
				a.Files[0],
				{Name: "findings", Data: []byte(said.String())},
				{Name: "after", Data: got},
			}}
			golden(t, "rewrite/"+filepath.Base(file), txtar.Format(out))
		})
	}
}
