package main

import "testing"

// The figures are for a quiet machine; here the command only has to work.
func TestMeasure(t *testing.T) {
	r, err := measure(8, 0.5, 50_000, 100)
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict == "" || r.PeakRSSMiB <= 0 || r.BuildAndAnalyzeS <= 0 {
		t.Errorf("%+v", r)
	}
}

func BenchmarkTenMillion(b *testing.B) {
	for b.Loop() {
		r, err := measure(64, 1, 10_000_000, 0)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(r.AnalyzeS, "analyze-s")
		b.ReportMetric(r.PeakRSSMiB, "MiB")
	}
}
