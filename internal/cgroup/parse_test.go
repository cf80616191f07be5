package cgroup

import (
	"slices"
	"strings"
	"testing"
)

func TestParseOwn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0::/user.slice/x.service\n":           "/user.slice/x.service",
		"12:cpu:/a\n1:name=systemd:/b\n0::/\n": "/",
		"0::/a:b\n":                            "/a:b",
		"0::/a (deleted)\n":                    "error",
		"1:name=systemd:/b\n":                  "error",
		"0::relative\n":                        "error",
		"":                                     "error",
		"10::/not-the-unified-one\n0::/the-one\n":    "/the-one",
		"0::/../../system.slice/of-another-ns.scope": "/../../system.slice/of-another-ns.scope",
	} {
		got, err := parseOwn(text)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func FuzzParseOwn(f *testing.F) {
	f.Add("12:cpu:/a\n0::/user.slice/x.service\n")
	f.Add("0::/a (deleted)\n")
	f.Fuzz(func(t *testing.T, text string) {
		own, err := parseOwn(text)
		if err == nil && (!strings.HasPrefix(own, "/") || !strings.Contains(text, "0::"+own)) {
			t.Errorf("%q: got %q", text, own)
		}
	})
}

func TestParseMounts(t *testing.T) {
	t.Parallel()
	const text = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
38 31 0:35 / /sys/fs/cgroup/unified rw,relatime shared:5 - cgroup2 cgroup2 rw
39 31 0:35 /docker/x /mnt/a\040b\134c ro,nosuid - cgroup2 cgroup rw
cut short - cgroup2 x
`
	want := []mount{{"/", "/sys/fs/cgroup/unified", false}, {"/docker/x", `/mnt/a b\c`, true}}
	if got := parseMounts(text); !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func FuzzParseMounts(f *testing.F) {
	f.Add(`39 31 0:35 /docker/x /mnt/a\040b ro,nosuid - cgroup2 cgroup rw`)
	f.Fuzz(func(t *testing.T, text string) { parseMounts(text) })
}

func TestBelow(t *testing.T) {
	t.Parallel()
	for in, want := range map[[2]string]string{
		{"/", "/"}:                 "/",
		{"/a/b", "/"}:              "/a/b",
		{"/a/b", "/a"}:             "/b",
		{"/a", "/a"}:               "/",
		{"/ab", "/a"}:              "no",
		{"/", "/a"}:                "no",
		{"/../x", "/"}:             "no",
		{"/", "/../.."}:            "no",
		{"/..a/b", "/"}:            "/..a/b",
		{"/a", "/a/supervisor"}:    "no",
		{"/x/supervisor", "/x"}:    "/supervisor",
		{"/a/../../b", "/a/../.."}: "no",
	} {
		got, ok := below(in[0], in[1])
		if !ok {
			got = "no"
		}
		if got != want {
			t.Errorf("%v: got %q, want %q", in, got, want)
		}
	}
}

func TestParseFlat(t *testing.T) {
	t.Parallel()
	got, err := parseFlat("low 0\nhigh 3\nmax 18446744073709551615\noom 1\n")
	if err != nil || got["high"] != 3 || got["max"] != 1<<64-1 || got["oom"] != 1 || len(got) != 4 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, text := range []string{"max\n", "max -1\n", " 1\n", "max 1 2\n", "\n"} {
		if got, err := parseFlat(text); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func FuzzParseFlat(f *testing.F) {
	f.Add("low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n")
	f.Add("populated 1\nfrozen 0\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseFlat(text)
		if err == nil && len(got) > strings.Count(text, "\n")+1 {
			t.Errorf("%q: got %v", text, got)
		}
	})
}

func FuzzParsePids(f *testing.F) {
	f.Add("1\n0\n4711\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parsePids(text)
		if err == nil && slices.ContainsFunc(got, func(pid int) bool { return pid <= 0 }) {
			t.Errorf("%q: got %v", text, got)
		}
	})
}

func TestValidName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"default": true, "a-b_c": true, "": false, "a/b": false, "a\nb": false, "a b": false, "ä": false} {
		if got := validName(name); got != want {
			t.Errorf("%q: got %v", name, got)
		}
	}
}
