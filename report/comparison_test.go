package report_test

import (
	"math"
	"slices"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/report"
)

func TestChangeWords(t *testing.T) {
	for ns, want := range map[int64]string{0: "±0", 150e6: "+150 ms", -150e6: "−150 ms", math.MinInt64: "−2,562,047 h 47 min"} {
		if got := report.Changed(ns); got != want {
			t.Errorf("Changed(%d) = %q, want %q", ns, got, want)
		}
	}
	for share, want := range map[float64]string{0: "±0%", -0.25: "−25%", 0.042: "+4.2%", -0.0004: "±0%", 12: "+1,200%", -0.999: "−100%", math.Inf(1): "+–"} {
		if got := report.ChangedShare(share); got != want {
			t.Errorf("ChangedShare(%v) = %q, want %q", share, got, want)
		}
	}
}

// What a table leaves out is in its last row, so that the rows sum to the whole.
func TestChangesSumUpWhatTheyLeaveOut(t *testing.T) {
	c := &result.Comparison{Wall: result.Delta{Before: 10e9, After: 7e9}}
	for i, d := range []result.Delta{{Before: 5e9, After: 3e9}, {Before: 3e9, After: 2e9}, {Before: 1e9, After: 1e9 + 4e6}, {Before: 1e9, After: 1e9 - 4e6}} {
		c.Lines = append(c.Lines, result.LineChange{Match: result.SameLine, Before: result.Line{Number: int32(i + 1)}, After: result.Line{Number: int32(i + 2)}, Wall: d, Beyond: i < 2})
	}
	tables := report.Changes(c, 2)
	if len(tables) != 1 || tables[0].Column != "Line" {
		t.Fatalf("%+v", tables)
	}
	want := []report.ChangeRow{
		{Change: "−2 s", Before: "5 s", After: "3 s", Name: "2", Note: "was line 1"},
		{Change: "−1 s", Before: "3 s", After: "2 s", Name: "3", Note: "was line 2"},
		{Change: "±0", Before: "2 s", After: "2 s", Within: true, Name: "2 more"},
	}
	if !slices.Equal(tables[0].Rows, want) {
		t.Errorf("%+v", tables[0].Rows)
	}
	// Rows under a thousandth of the wall are left out even where there is room.
	if rows := report.Changes(c, 40)[0].Rows; len(rows) != 3 {
		t.Errorf("%+v", rows)
	}
}

func TestKernelsOfOneSide(t *testing.T) {
	c := &result.Comparison{Kernels: []result.KernelChange{
		{Name: "a", Time: result.Delta{After: 9}, ListedAfter: true}, {Name: "b", Time: result.Delta{Before: 8}, ListedBefore: true},
		{Count: result.Delta{After: 3}, Time: result.Delta{After: 1}}}}
	rows := report.Changes(c, 9)[0].Rows
	if rows[0].Note != "new" || rows[0].Before != "–" || rows[1].Note != "among the others after, or not launched" || rows[2].Name != "all others" {
		t.Errorf("%+v", rows)
	}
}

func TestWideNoiseIsAFactor(t *testing.T) {
	for share, want := range map[float64]string{0.05: "±5.0%", 0.49: "±49%", 0.5: "a factor of 1.5", 6.44: "a factor of 7.4"} {
		if got := report.ComparisonNoise(result.Noise{Method: result.NoiseAssumed, Share: share}); got != want {
			t.Errorf("%v: %q, want %q", share, got, want)
		}
	}
}
