package timeline

import "testing"

func TestUntilCutsTheDevice(t *testing.T) {
	b := NewBuilder()
	main := b.Thread(1, 1)
	main.SetMain()
	for i, start := range []int64{100, 300, 700} {
		id := uint32(i + 1)
		b.Calls().Append(start, start+10, main.ID(), CallLaunch, b.Name("cudaLaunchKernel"), id)
		b.Device(0).Append(Op{Start: start + 50, End: start + 400, Correlation: id})
	}
	b.Device(0).Append(Op{Start: 650, End: 660}) // of an earlier cell
	tl := b.Build(Interval{Start: 0, End: 1000}).Until(500)
	if err := tl.Check(); err != nil {
		t.Fatal(err)
	}
	if got := tl.Devices[0].Ops.Len(); got != 2 || tl.Calls.Len() != 2 || tl.Extent != (Interval{Start: 0, End: 700}) {
		t.Errorf("%d operations, %d calls, extent %v", got, tl.Calls.Len(), tl.Extent)
	}
}
