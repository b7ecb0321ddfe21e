package main

import "testing"

// The figures are for a quiet machine; here the command only has to work.
func TestMeasure(t *testing.T) {
	r, err := measure(8, 0.5, 50_000, 100, false)
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict == "" || r.PeakRSSMiB <= 0 || r.BuildAndAnalyzeS <= 0 {
		t.Errorf("%+v", r)
	}
}

// The loop with a device is replayed: a benchmark of what is refused would measure nothing.
func TestMeasureWithADevice(t *testing.T) {
	r, err := measure(1, 0, 50_000, 0, true)
	if err != nil {
		t.Fatal(err)
	}
	if r.WhatIfs < 3 {
		t.Errorf("%+v", r)
	}
}

func BenchmarkTenMillion(b *testing.B) {
	for b.Loop() {
		r, err := measure(64, 1, 10_000_000, 0, false)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(r.AnalyzeS, "analyze-s")
		b.ReportMetric(r.PeakRSSMiB, "MiB")
	}
}
