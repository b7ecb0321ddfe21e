package pprof_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/tracefile/track"
)

// stacks are the values of a profile by stack, outermost first, where they are not 0.
func stacks(p *profile.Profile, value int) map[string]int64 {
	found := map[string]int64{}
	for _, s := range p.Sample {
		var names []string
		for _, l := range s.Location {
			names = append([]string{l.Line[0].Function.Name}, names...)
		}
		if s.Value[value] != 0 {
			found[strings.Join(names, " > ")] += s.Value[value]
		}
	}
	return found
}

// The ranges of a trace are its stacks, also those below which a kernel was launched.
func TestRangesAreStacks(t *testing.T) {
	b := timeline.NewBuilder()
	b.SetRung(timeline.RungTrace)
	b.SetNoCell()
	main, other := b.Thread(5, 5), b.Thread(5, 6)
	main.SetMain()
	outer, inner, leaf, launch, kernel := b.Name("outer"), b.Name("inner"), b.Name("leaf"), b.Name("cudaLaunchKernel"), b.Name("kernel")
	main.AppendRange(10, 100, outer, timeline.RangeOperator)
	main.AppendRange(20, 50, inner, timeline.RangeOperator)
	main.AppendRange(60, 95, inner, timeline.RangeOperator)
	main.AppendRange(60, 70, leaf, timeline.RangePython)
	main.AppendRange(90, 130, leaf, timeline.RangePython) // over the end of what it lies in
	other.AppendRange(0, 40, leaf, timeline.RangeOperator)
	b.Calls().Append(65, 66, main.ID(), timeline.CallLaunch, launch, 1)
	b.Calls().Append(105, 106, main.ID(), timeline.CallLaunch, launch, 2)
	b.Device(0).Append(timeline.Op{Start: 70, End: 77, Name: kernel, Correlation: 1})
	b.Device(0).Append(timeline.Op{Start: 110, End: 113, Name: kernel, Correlation: 2})
	_, p := write(t, track.Input{Timeline: b.Build(timeline.Interval{Start: 0, End: 140})})
	const nothing = "nothing that the trace shows"
	for name, want := range map[string]map[string]int64{
		"wall":    {nothing: 50, "outer": 25, "outer > inner": 50, "outer > inner > leaf": 15},
		"threads": {nothing: 50, "outer": 25, "outer > inner": 50, "outer > inner > leaf": 15, "leaf": 40},
		"gpu":     {"outer > inner > leaf > kernel": 7, nothing + " > kernel": 3},
	} {
		if got := stacks(p, value(t, p, name)); !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// However deep ranges are, and however many stacks there are, the profile is bounded and its sum is the whole.
func TestStacksOfRangesAreBounded(t *testing.T) {
	b := timeline.NewBuilder()
	b.SetRung(timeline.RungTrace)
	main := b.Thread(5, 5)
	main.SetMain()
	const deep, many = int64(5000), int64(200_000)
	for i := range deep {
		main.AppendRange(i, 2*deep-i, b.Name(fmt.Sprint("deep ", i)), timeline.RangeOperator)
	}
	for i := range many {
		main.AppendRange(2*deep+2*i, 2*deep+2*i+1, b.Name(fmt.Sprint("many ", i)), timeline.RangeOperator)
	}
	end := 2*deep + 2*many
	_, p := write(t, track.Input{Timeline: b.Build(timeline.Interval{Start: 0, End: end})})
	var sum int64
	for _, s := range p.Sample {
		sum += s.Value[value(t, p, "wall")]
		if len(s.Location) > 128 {
			t.Fatalf("a stack of %d", len(s.Location))
		}
	}
	if sum != end || len(p.Sample) > 1<<17 {
		t.Errorf("%d samples of %d ns, want %d ns", len(p.Sample), sum, end)
	}
}
