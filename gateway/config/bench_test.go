package config

import "testing"

func BenchmarkLoad(b *testing.B) {
	lookup := vars()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse("/x/coderclaw.json", Skeleton("t"), true, lookup); err != nil {
			b.Fatal(err)
		}
	}
}
