package timeline

import (
	"slices"
	"testing"
)

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

// A size stays with its call when calls are sorted, clipped and cut, whoever had none.
func TestSizesOfCalls(t *testing.T) {
	b := NewBuilder()
	main := b.Thread(1, 1)
	main.SetMain()
	name := b.Name("cuMemcpyHtoD")
	for _, call := range []struct{ start, bytes int64 }{{300, 3}, {100, 0}, {700, 7}, {2000, 9}, {200, -2}, {400, 4}} {
		if call.bytes == 0 {
			b.Calls().Append(call.start, call.start+10, main.ID(), CallCopy, name, 0)
		} else {
			b.Calls().AppendSized(call.start, call.start+10, main.ID(), CallCopy, name, 0, call.bytes)
		}
	}
	tl := b.Build(Interval{Start: 0, End: 1000})
	if err := tl.Check(); err != nil {
		t.Fatal(err)
	}
	if got := tl.Calls.Bytes; !slices.Equal(got, []int64{0, 0, 3, 4, 7}) {
		t.Errorf("%v", got)
	}
	if cut := tl.Until(350); !slices.Equal(cut.Calls.Bytes, []int64{0, 0, 3}) || cut.Check() != nil {
		t.Errorf("%v, %v", cut.Calls.Bytes, cut.Check())
	}
	b = NewBuilder()
	first := b.Thread(1, 1).ID()
	b.Calls().Append(1, 2, first, CallLaunch, 0, 1)
	b.Calls().AppendSized(3, 4, first, CallCopy, 0, 2, 5)
	b.Calls().Append(5, 6, first, CallLaunch, 0, 3)
	if got := b.Build(Interval{Start: 0, End: 10}).Calls.Bytes; !slices.Equal(got, []int64{0, 5, 0}) {
		t.Errorf("%v", got)
	}
	b = NewBuilder()
	b.Calls().Append(1, 2, b.Thread(1, 1).ID(), CallLaunch, 0, 1)
	if got := b.Build(Interval{Start: 0, End: 10}).Calls.Bytes; got != nil {
		t.Errorf("sizes %v of calls that have none", got)
	}
}
