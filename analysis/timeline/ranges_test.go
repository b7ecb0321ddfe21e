package timeline

import (
	"slices"
	"testing"
)

func TestRangesAreClippedSortedAndRepaired(t *testing.T) {
	b := NewBuilder()
	b.SetNoCell()
	th := b.Thread(1, 1)
	name := b.Name("x")
	for _, r := range []struct {
		start, end int64
		name       NameID
		kind       RangeKind
	}{{300, 400, name, RangePython}, {-50, 20, name, RangeOperator}, {100, Open, name, RangeLoader}, {500, 450, name, RangeOperator},
		{200, 250, 99, NumRangeKinds}, {1000, 1100, name, RangeOperator}, {-9, -5, name, RangeOperator}} {
		th.AppendRange(r.start, r.end, r.name, r.kind)
	}
	tl := b.Build(Interval{Start: 0, End: 1000})
	if err := tl.Check(); err != nil || !tl.NoCell {
		t.Fatal(err, tl.NoCell)
	}
	r := &tl.Threads[1].Ranges
	want := Ranges{Start: []int64{0, 100, 200, 300}, End: []int64{20, 1000, 250, 400}, Name: []NameID{name, name, 0, name},
		Kind: []RangeKind{RangeOperator, RangeLoader, RangeOperator, RangePython}}
	if !slices.Equal(r.Start, want.Start) || !slices.Equal(r.End, want.End) || !slices.Equal(r.Name, want.Name) || !slices.Equal(r.Kind, want.Kind) {
		t.Errorf("%+v, want %+v", *r, want)
	}
	if len(tl.Losses) != 3 {
		t.Errorf("losses %+v", tl.Losses)
	}
	cut := tl.Until(150)
	if r := &cut.Threads[1].Ranges; r.Len() != 2 || r.End[1] != 150 || cut.Check() != nil || tl.Threads[1].Ranges.End[1] != 1000 {
		t.Errorf("%+v", *r)
	}
}
