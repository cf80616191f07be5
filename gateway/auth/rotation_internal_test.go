package auth

import (
	"path/filepath"
	"reflect"
	"testing"
)

// FuzzParseRotation: what can be read at all is written so that it reads the same.
func FuzzParseRotation(f *testing.F) {
	f.Add([]byte(`{"version":1,"current":"` + "00000000000000000000000000000000000000000000000000000000000000ff" + `","previous":[{"sha256":"` +
		"00000000000000000000000000000000000000000000000000000000000000fe" + `","untilMs":1700000000000}]}`))
	f.Add([]byte(`null`))
	path := filepath.Join(f.TempDir(), "rotation.json")
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := parseRotation(raw)
		if err != nil {
			return
		}
		if err := r.write(path); err != nil {
			t.Fatal(err)
		}
		again, err := readRotation(path)
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Errorf("%+v became %+v, %v", r, again, err)
		}
	})
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	if got := Fingerprint("first-token"); got != "55b4" { // printf first-token | sha256sum
		t.Errorf("got %s", got)
	}
}
