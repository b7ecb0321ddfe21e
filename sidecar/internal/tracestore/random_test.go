package tracestore

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// fill gives a builder up to most events of every kind, at random; the first come up to
// lead ns before the window.
func fill(rng *rand.Rand, b *timeline.Builder, most int, lead int64) timeline.Interval {
	base := rng.Int64N(1 << 50)
	window := timeline.Interval{Start: base + lead, End: base + lead + 1 + rng.Int64N(1_000_000)}
	// Events come nearly in the order of time, as collectors deliver them: i of n is where in the cell.
	at := func(i, n int) int64 {
		length := window.End - base + 2000
		return min(base+length*int64(i)/int64(n)+rng.Int64N(3000), base+length)
	}
	span := func(i, n int) (int64, int64) { start := at(i, n); return start, start + rng.Int64N(5000) }
	name := func(what string) timeline.NameID { return b.Name(fmt.Sprintf("%s <%d> é", what, rng.IntN(9))) }
	stack := func() timeline.StackID {
		frames := make([]timeline.FrameID, rng.IntN(5))
		for i := range frames {
			frames[i] = b.Frame(timeline.Frame{Func: name("f"), File: name("file"), Line: rng.Int32N(100), Native: rng.IntN(3) == 0})
		}
		return b.Stack(frames)
	}
	n := func() int { return rng.IntN(most + 1) }
	threads := make([]*timeline.ThreadBuilder, 1+rng.IntN(4))
	for i := range threads {
		t := b.Thread(77, int32(100+i))
		threads[i] = t
		t.SetName(fmt.Sprintf("thread-%d", i))
		t.SetKnown(timeline.Interval{Start: base + rng.Int64N(2000), End: timeline.Open})
		t.SetCPU(rng.Int64N(1 << 40))
		t.SetSamplePeriod(1 + rng.Int64N(1e6))
		if i == 0 {
			t.SetMain()
			t.SetPython()
		}
	}
	for _, t := range threads {
		off := at(0, 1)
		for range n() {
			wake := off + rng.Int64N(500)
			on := wake + 1 + rng.Int64N(500)
			t.AppendOffCPU(off, wake, on, timeline.Reason(rng.IntN(int(timeline.NumReasons))), int16(rng.IntN(400)-1),
				threads[rng.IntN(len(threads))].ID(), stack())
			off = on + rng.Int64N(900)
		}
		collected := int64(0)
		for rows, i := n(), 0; i < rows; i++ {
			at, span := func() int64 { return at(i, rows) }, func() (int64, int64) { return span(i, rows) }
			t.AppendLine(at(), rng.Int32N(5), rng.Int32N(5), rng.IntN(4) == 0)
			t.AppendSample(at(), timeline.SampleKind(rng.IntN(int(timeline.NumSampleKinds))), int16(rng.IntN(400)-1), stack(), name("lib"))
			start, end := span()
			t.AppendScope(start, end, name("scope"), uint16(rng.IntN(3)))
			start, end = span()
			t.AppendRange(start, end, name("aten"), timeline.RangeKind(rng.IntN(int(timeline.NumRangeKinds))))
			t.AppendMark(at(), name("mark"), b.Name(fmt.Sprintf(`{"n":%d}`, rng.IntN(100))))
			start, end = span()
			start = max(start, collected) // the collector does not run inside itself
			end = max(end, start+1)
			collected = end
			t.AppendGC(start, end, uint8(rng.IntN(3)), rng.Int64N(1e6))
		}
	}
	fillDevices(rng, b, threads, span, name, n)
	for i := range 1 + rng.IntN(3) {
		c := b.Counter(fmt.Sprintf("counter %d", i), "W")
		for rows, i := n(), 0; i < rows; i++ {
			c.Time, c.Value = append(c.Time, at(i, rows)), append(c.Value, rng.NormFloat64())
		}
	}
	for i, windows := 0, rng.IntN(4); i < windows; i++ {
		start := at(i, windows)
		b.AddWindow(timeline.Window{Start: start, End: start + rng.Int64N(5000), Launches: rng.Int64N(50), Missed: rng.Int64N(20) - 1})
	}
	if rng.IntN(3) == 0 {
		b.SetNoCell()
	}
	b.DeviceClock(rng.Int64N(1000))
	b.EarlierWork(1 + rng.Int64N(1_000_000_000))
	*b.Process() = timeline.Process{PID: 77, MinorFaults: 1, MajorFaults: 2, VoluntarySwitches: 3, InvoluntarySwitches: 4, RSSStart: 5,
		RSSEnd: 6, RSSPeak: 7, UserNs: 8, SystemNs: 9, ReadBytes: 10, WriteBytes: 11, CPUs: 12, CPUQuota: 1.5, Throttled: 13,
		ThrottledNs: 14, NUMA: []timeline.NUMANode{{Node: 1, Bytes: 2, CPUShare: 0.25}}, NUMANodes: 2}
	b.SetRung(timeline.RungEBPF)
	b.AddLoss(timeline.Loss{Source: "ebpf", Reason: "something", Count: 3, Enable: "a command"})
	return window
}

func fillDevices(rng *rand.Rand, b *timeline.Builder, threads []*timeline.ThreadBuilder, span func(i, n int) (int64, int64),
	name func(string) timeline.NameID, n func() int) {
	id := uint32(rng.IntN(100))
	devices := make([]*timeline.DeviceBuilder, 1+rng.IntN(2))
	for index := range devices {
		devices[index] = b.Device(int32(index))
		devices[index].Describe(fmt.Sprintf("GPU %d", index), "00000000:01:00.0", 80<<30)
		b.AddSensors(timeline.Sensors{PCI: "00000000:01:00.0", Index: index + 1, Name: "GPU", UtilizationAvg: .1, MemoryUtilizationAvg: .2,
			EnergyJ: 1, PowerAvgW: 2, PowerMaxW: 3, PowerLimitW: 4, MemoryStart: 5, MemoryPeak: 6, MemoryEnd: 7, MemoryTotal: 8,
			SMClockAvgMHz: 9, SMClockMinMHz: 10, SMClockMaxMHz: 11, TemperatureMaxC: 12, PCIeSent: 13, PCIeReceived: 14,
			Throttled: map[string]float64{"power": .5}, OtherProcesses: 1, MIG: true,
			GPM: &timeline.GPM{SMUtilization: .1, SMOccupancy: .2, TensorActive: .3, DRAMBandwidth: .4, IntervalNs: 5}})
	}
	sized := rng.IntN(2) == 0
	for rows, i := n(), 0; i < rows; i++ {
		id++
		correlation := id
		start, end := span(i, rows)
		thread, class := threads[rng.IntN(len(threads))].ID(), timeline.CallClass(rng.IntN(int(timeline.NumCallClasses)))
		if sized {
			b.Calls().AppendSized(start, end, thread, class, name("cuda"), correlation, rng.Int64N(3)*4096)
		} else {
			b.Calls().Append(start, end, thread, class, name("cuda"), correlation)
		}
		if rng.IntN(10) == 0 {
			correlation = 0
		}
		devices[rng.IntN(len(devices))].Append(timeline.Op{Start: end, End: end + rng.Int64N(5000),
			Kind: timeline.OpKind(rng.IntN(int(timeline.NumOpKinds))), Stream: rng.Uint32N(5), Name: name("kernel"), Bytes: rng.Int64N(1e9),
			Copy: timeline.CopyKind(rng.IntN(20)), Source: timeline.MemoryKind(rng.IntN(12)), Target: timeline.MemoryKind(rng.IntN(12)),
			Graph: rng.Uint32N(3), Correlation: correlation})
		start, end = span(i, rows)
		b.AddOverhead(timeline.Interval{Start: start, End: end})
	}
}

func exampleMeta() Meta {
	return Meta{ToolVersion: "1.2.3", Created: time.Unix(1_700_000_000, 123).UTC(), WallOffsetNs: 1_600_000_000_000_000_000,
		Source:     result.Source{Kind: "cell", ToolVersion: "1.2.3"},
		Cell:       result.Cell{Lines: []string{"a = 1", "b = \"</script>\"", ""}, Outcome: "error", ErrorName: "ValueError", ExecutionCount: 4, Name: "In [4]"},
		Versions:   map[string]string{"linux": "6.1", "inferscope": "1.2.3"},
		Collectors: []result.Collector{{Name: "ebpf", Available: true, Detail: "d", Enable: "e"}},
		Overhead:   result.Overhead{CollectorCPUNs: 1, InProcessNs: 2, EstimatedSlowdown: 1.01},
		Functions:  []result.FunctionStat{{Name: "f", File: "g.py", Line: 3, SelfNs: 4, Share: .5, Native: "n", Samples: 6, CellLine: 7, Exact: true, Calls: 8}},
		Summary:    []byte(`{"schema":"inferscope.summary/1","wall_ns":5}`), Complete: true}
}

// same compares what two timelines say: names and stacks by their content.
func same(t *testing.T, got, want *timeline.Timeline) {
	t.Helper()
	if got.Names.Len() != want.Names.Len() || got.Stacks.Len() != want.Stacks.Len() {
		t.Fatalf("%d names and %d stacks, want %d and %d", got.Names.Len(), got.Stacks.Len(), want.Names.Len(), want.Stacks.Len())
	}
	for id := range timeline.NameID(want.Names.Len()) {
		if got.Names.String(id) != want.Names.String(id) {
			t.Fatalf("name %d is %q, want %q", id, got.Names.String(id), want.Names.String(id))
		}
	}
	for id := range timeline.StackID(want.Stacks.Len()) {
		if g, w := got.Stacks.Frames(id, nil), want.Stacks.Frames(id, nil); !reflect.DeepEqual(g, w) {
			t.Fatalf("stack %d is %v, want %v", id, g, w)
		}
	}
	g, w := *got, *want
	g.Names, g.Stacks, w.Names, w.Stacks = timeline.Names{}, timeline.Stacks{}, timeline.Names{}, timeline.Stacks{}
	if diff := differ("timeline", reflect.ValueOf(g), reflect.ValueOf(w)); diff != "" {
		t.Fatal(diff)
	}
}

// differ names the first field in which two values differ; nil and empty slices are the same.
func differ(path string, got, want reflect.Value) string {
	switch got.Kind() {
	case reflect.Struct:
		for i := range got.NumField() {
			if got.Type().Field(i).IsExported() {
				if d := differ(path+"."+got.Type().Field(i).Name, got.Field(i), want.Field(i)); d != "" {
					return d
				}
			}
		}
		return ""
	case reflect.Slice:
		if got.Len() != want.Len() {
			return fmt.Sprintf("%s has %d entries, want %d", path, got.Len(), want.Len())
		}
		for i := range got.Len() {
			if d := differ(fmt.Sprintf("%s[%d]", path, i), got.Index(i), want.Index(i)); d != "" {
				return d
			}
		}
		return ""
	}
	if !reflect.DeepEqual(got.Interface(), want.Interface()) {
		return fmt.Sprintf("%s is %v, want %v", path, got.Interface(), want.Interface())
	}
	return ""
}

// filled notes which exported fields below a value are not zero anywhere.
func filled(path string, v reflect.Value, seen map[string]bool) {
	seen[path] = seen[path] || !v.IsZero()
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			filled(path, v.Elem(), seen)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				filled(path+"."+v.Type().Field(i).Name, v.Field(i), seen)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			filled(path+"[]", v.Index(i), seen)
		}
	}
}

func write(t *testing.T, tl *timeline.Timeline, meta Meta, options Options) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "trace"+Suffix)
	w, err := Create(dir, meta, options)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(tl, meta); err != nil {
		t.Fatal(err)
	}
	return dir
}

func open(t *testing.T, dir string) (*timeline.Timeline, Meta) {
	t.Helper()
	tl, meta, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := tl.Check(); err != nil {
		t.Fatal(err)
	}
	return tl, meta
}

// What is written comes back, every column of it, in one part or in many.
func TestRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 7))
	seen := map[string]bool{}
	for round := range 24 {
		b := timeline.NewBuilder()
		tl := b.Build(fill(rng, b, []int{0, 3, 40, 3000}[round%4], 1000))
		filled("", reflect.ValueOf(*tl), seen)
		options := DefaultOptions()
		if round%3 == 0 {
			options.PartRows = 1 + rng.Int64N(50)
		}
		meta := exampleMeta()
		dir := write(t, tl, meta, options)
		got, gotMeta := open(t, dir)
		same(t, got, tl)
		if d := differ("meta", reflect.ValueOf(gotMeta), reflect.ValueOf(meta)); d != "" {
			if gotMeta.Summary = nil; differ("meta", reflect.ValueOf(gotMeta), reflect.ValueOf(meta)) == d {
				t.Fatal(d)
			}
		}
	}
	for path, ok := range seen {
		if !ok { // a new field of the model must be given a value above, and then be stored
			t.Errorf("the random timelines never fill %s", path)
		}
	}
}
