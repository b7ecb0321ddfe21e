package scene_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/devices"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/result"
	"github.com/inferscope/inferscope/analysis/scene"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// sceneOf analyses a timeline as far as its scene needs.
func sceneOf(tl *timeline.Timeline, lines []string) (result.Scene, *attribution.Attribution) {
	a := attribution.Host(tl, attribution.Options{Source: lines})
	plan := coverage.Of(tl)
	a.Devices(devices.Sum(tl, plan), plan)
	return scene.Of(tl, result.Cell{Lines: lines}, a), a
}

func parse(t *testing.T, text string) *fixture.Fixture {
	t.Helper()
	f, err := fixture.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const training = `source
for x in data:
    y = model(x)
    y.item()
end
window 0ms 100ms
thread m tid=1 main known
thread worker tid=2 known
device 0 GPU
off worker 1ms 99ms 99500us sleep
mark m 5ms began
gc m 90ms 92ms gen=1
repeat 8 every 10ms
  scope m 1ms 9ms step
  line m 1ms 2
  kernel m 1ms 1200us 2ms 5ms gemm stream=7
  copy m 1300us 1500us 5ms 5500us HtoD pinned device 4096 stream=9
  line m 2ms 3
  call m 2ms 5600us sync cudaStreamSynchronize
  off m 2ms 5500us 5600us gpu_driver
  line m 6ms 1
end
`

func laneOf(s *result.Scene, kind result.LaneKind) *result.SceneLane {
	i := slices.IndexFunc(s.Lanes, func(l result.SceneLane) bool { return l.Kind == kind })
	if i < 0 {
		return nil
	}
	return &s.Lanes[i]
}

// total is the time of a lane by the classes of its keys.
func total(s *result.Scene, l *result.SceneLane) map[string]int64 {
	out := map[string]int64{}
	for _, x := range l.Items {
		for _, p := range x.Parts {
			out[s.Keys[p.Key].Class] += p.Ns
		}
	}
	return out
}

func TestLanes(t *testing.T) {
	f := parse(t, training)
	s, a := sceneOf(f.Timeline, f.Source)
	var names []string
	for _, l := range s.Lanes {
		names = append(names, string(l.Kind)+" "+l.Name)
		if l.MergedNs != 0 {
			t.Errorf("%s was merged", l.Name)
		}
	}
	want := []string{"lines lines", "scopes scopes", "marks marks", "calls CUDA calls", "idle GPU idle", "stream stream 7", "stream stream 9",
		"thread m", "thread worker", "gc garbage collection"}
	if !slices.Equal(names, want) {
		t.Fatalf("lanes %q\nwant  %q", names, want)
	}
	const ms = 1_000_000
	thread := total(&s, laneOf(&s, result.LaneThread))
	if thread["gpu_driver"] != 28*ms || thread["runnable"] != 800_000 || thread["running"] != 100*ms-28*ms-800_000 {
		t.Errorf("the main thread: %v", thread)
	}
	if stream := total(&s, laneOf(&s, result.LaneStream)); stream["kernel"] != 24*ms {
		t.Errorf("stream 7: %v", stream)
	}
	idle, want64 := int64(0), a.GPU.Idle.TotalNs
	for _, ns := range total(&s, laneOf(&s, result.LaneIdle)) {
		idle += ns
	}
	if idle != want64 {
		t.Errorf("the idle lane has %d ns, the analysis %d", idle, want64)
	}
	kernel := slices.IndexFunc(s.Keys, func(k result.SceneKey) bool { return k.Label == "gemm" })
	if kernel < 0 || s.Keys[kernel].Line != 2 {
		t.Errorf("the kernel's key: %v", s.Keys)
	}
	if len(s.Arrows) != 16 {
		t.Fatalf("%d arrows", len(s.Arrows))
	}
	for _, x := range s.Arrows {
		from, to := s.Lanes[x.FromLane], s.Lanes[x.ToLane]
		if from.Kind != result.LaneCalls || to.Kind != result.LaneStream || x.From >= x.To {
			t.Errorf("an arrow from %s at %d to %s at %d", from.Name, x.From, to.Name, x.To)
		}
		if !slices.ContainsFunc(to.Items, func(i result.SceneItem) bool { return i.Start == x.To }) {
			t.Errorf("no operation begins at %d", x.To)
		}
	}
}

// What was not captured is shown as that, and not as idle.
func TestUnseenStretches(t *testing.T) {
	f := parse(t, training+"captured 0ms 30ms\ncaptured 60ms 80ms missed=3\n")
	s, _ := sceneOf(f.Timeline, f.Source)
	for _, kind := range []result.LaneKind{result.LaneIdle, result.LaneStream} {
		if ns := total(&s, laneOf(&s, kind))["unseen"]; ns != 50_000_000 {
			t.Errorf("%s: %d ns not seen, want 50 ms", kind, ns)
		}
	}
}

// Ranges are lanes by depth, and each keeps its place below what encloses it.
func TestRanges(t *testing.T) {
	f := parse(t, `window 0ms 100ms
nocell
thread m tid=1 main
range m 0ms 50ms operator aten::linear
range m 5ms 20ms operator aten::addmm
range m 6ms 9ms python a.py(3):~f
range m 7ms 8ms operator deeper
range m 30ms 40ms loader next
range m 60ms 61ms operator aten::relu`)
	s, _ := sceneOf(f.Timeline, nil)
	var got []string
	for _, l := range s.Lanes {
		for _, x := range l.Items {
			key := s.Keys[x.Parts[0].Key]
			got = append(got, fmt.Sprint(l.Kind, " ", l.Name, " ", x.Start/1_000_000, " ", key.Class, " ", key.Label))
		}
	}
	want := []string{"ranges m 0 framework aten::linear", "ranges m 60 framework aten::relu", "ranges  5 framework aten::addmm",
		"ranges  30 data_loading next", "ranges  7 framework deeper"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestCountersAreThinned(t *testing.T) {
	b := timeline.NewBuilder()
	c := b.Counter("gpu0 power", "W")
	for i := range int64(10_000) {
		v := 100.0
		if i == 5003 {
			v = 700
		}
		c.Time, c.Value = append(c.Time, i*1000), append(c.Value, v)
	}
	m := b.Thread(1, 1)
	m.SetMain()
	m.SetKnown(timeline.Interval{Start: 0, End: 10_000_000})
	s, _ := sceneOf(b.Build(timeline.Interval{Start: 0, End: 10_000_000}), nil)
	if len(s.Series) != 1 || len(s.Series[0].Time) > 210 {
		t.Fatalf("series: %d", len(s.Series))
	}
	if slices.Max(s.Series[0].High) != 700 || slices.Min(s.Series[0].Low) != 100 {
		t.Error("an extreme was lost")
	}
}

// What tells most comes first, and a GPU that did nothing for the cell last, however many there are.
func TestCountersThatTellMostComeFirst(t *testing.T) {
	b := timeline.NewBuilder()
	b.Device(0).Describe("H100", "0000:1B:00.0", 0)
	b.Device(0).Append(timeline.Op{Start: 10, End: 20, Kind: timeline.OpKernel, Name: b.Name("k")})
	b.AddSensors(timeline.Sensors{PCI: "0000:1a:00.0", Index: 0})
	b.AddSensors(timeline.Sensors{PCI: "0000:1b:00.0", Index: 1})
	names := []string{"rss", "gpu0 SM activity", "gpu0 DRAM bandwidth", "gpu0 power", "gpu1 utilisation", "gpu1 temperature", "gpu1 memory", "gpu1 SM clock",
		"gpu1 power", "gpu1 SM occupancy", "gpu1 DRAM bandwidth", "gpu1 tensor activity", "gpu1 SM activity", "gpu2 power"}
	for _, name := range names {
		c := b.Counter(name, "")
		c.Time, c.Value = []int64{10, 20}, []float64{0, 1}
	}
	m := b.Thread(1, 1)
	m.SetMain()
	s, _ := sceneOf(b.Build(timeline.Interval{Start: 0, End: 100}), nil)
	got := []string{}
	for _, c := range s.Series {
		got = append(got, c.Name)
	}
	want := []string{"gpu1 SM activity", "gpu1 tensor activity", "gpu1 DRAM bandwidth", "gpu1 power", "gpu1 SM clock", "gpu1 memory", "gpu1 utilisation",
		"gpu1 SM occupancy", "rss", "gpu1 temperature", "gpu0 SM activity", "gpu0 DRAM bandwidth"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// size is how many bytes the scene's numbers and texts take when written plainly.
func size(s *result.Scene) int {
	n := 0
	for _, k := range s.Keys {
		n += len(k.Label) + 4
	}
	for _, l := range s.Lanes {
		n += len(l.Name)
		for _, x := range l.Items {
			n += 12
			if len(x.Parts) > 1 {
				n += 8 * len(x.Parts)
			}
		}
	}
	for _, c := range s.Series {
		n += 10*len(c.Time) + len(c.Name) + len(c.Unit)
	}
	return n + 12*len(s.Arrows)
}

// A scene stays small, and its sums right, whatever the trace.
func TestHostileTimelinesAreBounded(t *testing.T) {
	const second = int64(1_000_000_000)
	long := strings.Repeat("𝕂ernel<script>\u202e", 800)
	big := 1_000_000
	if testing.Short() {
		big = 100_000
	}
	for name, fill := range map[string]func(b *timeline.Builder, m *timeline.ThreadBuilder){
		"nothing":  func(*timeline.Builder, *timeline.ThreadBuilder) {},
		"one mark": func(b *timeline.Builder, m *timeline.ThreadBuilder) { m.AppendMark(5, b.Name("x"), 0) },
		"a million kernels": func(b *timeline.Builder, m *timeline.ThreadBuilder) {
			kernels(b, m, big, func(i int) string { return fmt.Sprintf("kernel%d", i%40) })
		},
		"a million names": func(b *timeline.Builder, m *timeline.ThreadBuilder) {
			kernels(b, m, big, func(i int) string { return fmt.Sprintf("%d%s", i, long[:40]) })
		},
		"names of ten thousand bytes": func(b *timeline.Builder, m *timeline.ThreadBuilder) {
			kernels(b, m, 3000, func(i int) string { return fmt.Sprint(i) + long })
		},
		"many of everything": func(b *timeline.Builder, m *timeline.ThreadBuilder) {
			for i := range int64(300) {
				x := b.Thread(1, int32(100+i))
				x.SetName(fmt.Sprint(i) + long)
				x.SetKnown(timeline.Interval{Start: 0, End: second})
				rows, step := int64(400), int64(2_000_000)
				if i < 12 { // heavier together than each of them may be
					rows, step = 20_000, 40_000
				}
				for k := range rows {
					at := k*step + i
					x.AppendOffCPU(at, at+step/4+i, at+step/3, timeline.Reason(k%int64(timeline.NumReasons)), -1, 0, 0)
					if k < 400 {
						x.AppendScope(at, at+1000, b.Name(fmt.Sprint(i, k, long)), uint16(k%9))
						x.AppendMark(at, b.Name(fmt.Sprint(i, k, long)), 0)
					}
				}
				c := b.Counter(fmt.Sprint(i)+long, long)
				for k := range int64(1000) {
					c.Time, c.Value = append(c.Time, k*1_000_000), append(c.Value, float64(k*i))
				}
			}
		},
		"five thousand lines": func(b *timeline.Builder, m *timeline.ThreadBuilder) {
			for i := range big / 2 {
				m.AppendLine(int64(i)*1000, int32(i*7%5000+1), int32(i*7%5000+1), false)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := timeline.NewBuilder()
			m := b.Thread(1, 1)
			m.SetMain()
			m.SetKnown(timeline.Interval{Start: 0, End: second})
			fill(b, m)
			tl := b.Build(timeline.Interval{Start: 0, End: second})
			lines := make([]string, 5000)
			for i := range lines {
				lines[i] = long
			}
			s, _ := sceneOf(tl, lines)
			if n := size(&s); n > 420_000 {
				t.Errorf("the scene takes %d bytes", n)
			}
			if len(s.Keys) > 1000 || len(s.Lanes) > 60 {
				t.Errorf("%d keys, %d lanes", len(s.Keys), len(s.Lanes))
			}
			for _, l := range s.Lanes {
				for i, x := range l.Items {
					if x.Start < 0 || x.End > tl.Extent.Ns() || x.End < x.Start || i > 0 && x.Start < l.Items[i-1].Start || len(x.Parts) == 0 {
						t.Fatalf("%s: item %d is %v", l.Name, i, x)
					}
				}
			}
			if len(tl.Devices) == 0 {
				return
			}
			var got, want [2]int64
			for _, x := range laneOf(&s, result.LaneStream).Items {
				for _, p := range x.Parts {
					got = [2]int64{got[0] + p.Ns, got[1] + p.Count}
				}
			}
			ops := &tl.Devices[0].Ops
			for i := range ops.Start {
				want = [2]int64{want[0] + ops.End[i] - ops.Start[i], want[1] + 1}
			}
			if got != want {
				t.Errorf("the stream has %v, the timeline %v", got, want)
			}
		})
	}
}

// kernels launches n of them, one after the other.
func kernels(b *timeline.Builder, m *timeline.ThreadBuilder, n int, label func(int) string) {
	d := b.Device(0)
	step := int64(1_000_000_000) / int64(n+1)
	for i := range n {
		at := int64(i) * step
		b.Calls().Append(at, at+step/4, m.ID(), timeline.CallLaunch, b.Name("cudaLaunchKernel"), uint32(i+1))
		d.Append(timeline.Op{Start: at + step/4, End: at + step/4 + 1 + int64(i)%(step/2), Stream: 7, Name: b.Name(label(i)), Correlation: uint32(i + 1)})
	}
}

// BenchmarkOf is the cost of a scene beside that of the attribution, which comes before it.
func BenchmarkOf(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000} {
		builder := timeline.NewBuilder()
		m := builder.Thread(1, 1)
		m.SetMain()
		m.SetKnown(timeline.Interval{Start: 0, End: 1_000_000_000})
		kernels(builder, m, n, func(i int) string { return fmt.Sprintf("kernel%d", i%40) })
		tl := builder.Build(timeline.Interval{Start: 0, End: 1_000_000_000})
		_, a := sceneOf(tl, nil)
		b.Run(fmt.Sprint(n, " kernels"), func(b *testing.B) {
			for b.Loop() {
				scene.Of(tl, result.Cell{}, a)
			}
		})
	}
}
