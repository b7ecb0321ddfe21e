package devices

import (
	"testing"

	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// scene builds a device with one call a launched operation; call -1 makes an operation of an earlier cell.
func scene(t *testing.T, window timeline.Interval, ops ...timeline.Op) *timeline.Timeline {
	t.Helper()
	b := timeline.NewBuilder()
	main := b.Thread(1, 1)
	main.SetMain()
	for _, o := range ops {
		b.Device(0).Append(o)
		if o.Correlation != 0 {
			b.Calls().Append(window.Start, window.Start+1, main.ID(), timeline.CallLaunch, b.Name("cudaLaunchKernel"), o.Correlation)
		}
	}
	tl := b.Build(window)
	if err := tl.Check(); err != nil {
		t.Fatal(err)
	}
	return tl
}

func one(t *testing.T, tl *timeline.Timeline) result.Device {
	t.Helper()
	all := Sum(tl, coverage.Of(tl))
	if len(all) != 1 {
		t.Fatalf("%d devices, want 1", len(all))
	}
	return all[0]
}

func TestUnionsCountOverlapOnce(t *testing.T) {
	b := timeline.NewBuilder()
	kernel, nccl := b.Name("gemm"), b.Name("ncclDevKernel_AllReduce")
	d := b.Device(0)
	add := func(start, end int64, kind timeline.OpKind, name timeline.NameID) {
		d.Append(timeline.Op{Start: start, End: end, Kind: kind, Name: name, Stream: 1, Copy: timeline.CopyHtoD,
			Source: timeline.MemoryPageable, Target: timeline.MemoryDevice, Bytes: 10})
	}
	add(100, 200, timeline.OpKernel, kernel)
	add(150, 250, timeline.OpKernel, kernel) // overlaps
	add(240, 300, timeline.OpKernel, nccl)   // 50 exposed
	add(290, 340, timeline.OpMemcpy, 0)      // 40 exposed
	add(400, 410, timeline.OpMemset, 0)
	got := one(t, b.Build(timeline.Interval{Start: 0, End: 1000}))
	want := map[string][2]int64{
		"window":         {got.WindowNs, 310},
		"busy":           {got.BusyNs, 250},
		"idle":           {got.IdleNs, 60},
		"compute":        {got.ComputeNs, 150},
		"comm":           {got.CommNs, 60},
		"exposed comm":   {got.ExposedCommNs, 50},
		"memcpy":         {got.MemcpyNs, 50},
		"exposed memcpy": {got.ExposedMemcpyNs, 40},
		"memset":         {got.MemsetNs, 10},
		"kernel sum":     {got.KernelSumNs, 260},
		"cell idle":      {got.CellIdleNs, 750},
		"kernels":        {got.Kernels, 3},
		"carry in":       {got.CarryInNs, 250},
	}
	for name, pair := range want {
		if pair[0] != pair[1] {
			t.Errorf("%s = %d, want %d", name, pair[0], pair[1])
		}
	}
	if len(got.Copies) != 1 || got.Copies[0] != (result.Copy{Kind: "HtoD", Source: "pageable", Target: "device", Count: 1, Ns: 50, Bytes: 10}) {
		t.Errorf("copies = %+v", got.Copies)
	}
	if got.TopKernels[0].Name != "gemm" || got.TopKernels[0].Ns != 200 || got.TopKernels[0].Count != 2 {
		t.Errorf("top kernel = %+v", got.TopKernels[0])
	}
}

func TestWorkOfTheCellThatOutlastsIt(t *testing.T) {
	tl := scene(t, timeline.Interval{Start: 1000, End: 2000}, timeline.Op{Start: 1500, End: 2600, Correlation: 7})
	got := one(t, tl)
	if tl.Extent.End != 2600 || got.CarryOutNs != 600 || got.CellIdleNs != 500 || got.CarryInNs != 0 {
		t.Errorf("extent %v, carry out %d, idle %d, carry in %d", tl.Extent, got.CarryOutNs, got.CellIdleNs, got.CarryInNs)
	}
}

func TestWorkOfAnEarlierCellIsCarryIn(t *testing.T) {
	tl := scene(t, timeline.Interval{Start: 1000, End: 2000}, timeline.Op{Start: 400, End: 1300})
	got := one(t, tl)
	if got.CarryInNs != 300 || got.CellIdleNs != 700 || tl.Extent.End != 2000 {
		t.Errorf("carry in %d, idle %d, extent %v", got.CarryInNs, got.CellIdleNs, tl.Extent)
	}
}

// A stream keeps the order of its launches: an operation after one of the cell's is the cell's.
func TestOperationsWhoseCallWasLost(t *testing.T) {
	got := one(t, scene(t, timeline.Interval{Start: 1000, End: 2000}, timeline.Op{Start: 900, End: 1100},
		timeline.Op{Start: 1200, End: 1300, Correlation: 7}, timeline.Op{Start: 1300, End: 1500}, timeline.Op{Start: 1400, End: 1550, Stream: 3}))
	if got.CarryInNs != 100+150 {
		t.Errorf("carry in %d, want that of the first operation and of the other stream", got.CarryInNs)
	}
}

func TestNestedCallsCountOnce(t *testing.T) {
	b := timeline.NewBuilder()
	b.Calls().Append(110, 130, 0, timeline.CallLaunch, b.Name("cuLaunchKernel"), 5)
	b.Calls().Append(100, 140, 0, timeline.CallLaunch, b.Name("cudaLaunchKernel"), 5)
	b.Device(0).Append(timeline.Op{Start: 150, End: 160, Correlation: 5})
	tl := b.Build(timeline.Interval{Start: 0, End: 1000})
	if row := tl.Devices[0].Ops.Call[0]; tl.Names.String(tl.Calls.Name[row]) != "cudaLaunchKernel" {
		t.Errorf("the operation belongs to %q, want the outer call", tl.Names.String(tl.Calls.Name[row]))
	}
}

func TestSensorsFoundByBusID(t *testing.T) {
	b := timeline.NewBuilder()
	b.Device(0).Describe("H100", "0000:0A:00.0", 80)
	b.Device(0).Append(timeline.Op{Start: 1, End: 2})
	b.AddSensors(timeline.Sensors{PCI: "0000:0b:00.0", EnergyJ: 1})
	b.AddSensors(timeline.Sensors{PCI: "0000:0a:00.0", EnergyJ: 2})
	if got := one(t, b.Build(timeline.Interval{Start: 0, End: 10})); got.Sensors == nil || got.Sensors.EnergyJ != 2 {
		t.Errorf("sensors = %+v", got.Sensors)
	}
}

func TestClockErrorIsTheBracketOrWhatTheOperationsShow(t *testing.T) {
	build := func(bracket, opStart int64) result.Device {
		b := timeline.NewBuilder()
		b.DeviceClock(bracket)
		main := b.Thread(1, 1)
		main.SetMain()
		b.Calls().Append(500, 510, main.ID(), timeline.CallLaunch, b.Name("cuLaunchKernel"), 1)
		b.Device(0).Append(timeline.Op{Start: opStart, End: opStart + 100, Kind: timeline.OpKernel, Correlation: 1})
		return one(t, b.Build(timeline.Interval{Start: 0, End: 1000}))
	}
	for _, c := range []struct{ bracket, opStart, want int64 }{{40, 505, 40}, {40, 490, 40}, {40, 400, 100}, {0, 505, 0}} {
		if got := build(c.bracket, c.opStart).ClockErrorNs; got != c.want {
			t.Errorf("bracket %d, an operation at %d: %d, want %d", c.bracket, c.opStart, got, c.want)
		}
	}
}
