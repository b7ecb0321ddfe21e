package tracestore

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// benchEvents is the length of the cell that the benchmarks write and read.
const benchEvents = 1_000_000

// cellOfEvents is a cell of n events as cells have them: of five, two are waits with a
// stack, one a line, one a CUDA call and one the kernel that it launched; in four threads.
func cellOfEvents(n int) *timeline.Timeline {
	b := timeline.NewBuilder()
	var threads []*timeline.ThreadBuilder
	var stacks []timeline.StackID
	for i := range 4 {
		t := b.Thread(1, int32(100+i))
		t.SetName(fmt.Sprintf("worker-%d", i))
		t.SetKnown(timeline.Interval{Start: 0, End: timeline.Open})
		threads = append(threads, t)
	}
	threads[0].SetMain()
	kernels := make([]timeline.NameID, 60)
	for i := range kernels {
		kernels[i] = b.Name(fmt.Sprintf("void at::native::vectorized_elementwise_kernel<4, functor_%d>(int, std::array<char*, 3ul>)", i))
		stacks = append(stacks, b.Stack([]timeline.FrameID{
			b.Frame(timeline.Frame{Func: b.Name(fmt.Sprintf("forward_%d", i)), File: b.Name("model.py"), Line: int32(i)}),
			b.Frame(timeline.Frame{File: b.Name(timeline.CellFile), Line: 3})}))
	}
	launch := b.Name("cudaLaunchKernel")
	at := int64(1 << 40)
	for i := range n / 5 {
		t := threads[i%4]
		at += 4000 + int64(i*i%997)
		t.AppendOffCPU(at, at+900, at+1100, timeline.ReasonGIL, 202, threads[(i+1)%4].ID(), stacks[i%60])
		t.AppendOffCPU(at+1500, at+1500, at+1600, timeline.ReasonPreempted, -1, 0, stacks[i%60])
		threads[0].AppendLine(at, int32(2+i%7), int32(2+i%7), false)
		b.Calls().Append(at+2000, at+2500, t.ID(), timeline.CallLaunch, launch, uint32(i+1))
		b.Device(0).Append(timeline.Op{Start: at + 2700, End: at + 3500, Stream: 7, Name: kernels[i%60], Correlation: uint32(i + 1)})
	}
	return b.Build(timeline.Interval{Start: 1 << 40, End: at + 5000})
}

func folderBytes(b *testing.B, dir string) (n int64) {
	b.Helper()
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		n += info.Size()
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func BenchmarkWrite(b *testing.B) {
	tl := cellOfEvents(benchEvents)
	rows := tl.Rows()
	var bytes int64
	for i := 0; b.Loop(); i++ {
		dir := filepath.Join(b.TempDir(), fmt.Sprint(i, Suffix))
		if err := Write(dir, tl, Meta{}); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		bytes = folderBytes(b, dir)
		if err := os.RemoveAll(dir); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(bytes)/float64(rows), "B/event")
}

func BenchmarkOpen(b *testing.B) {
	tl := cellOfEvents(benchEvents)
	dir := filepath.Join(b.TempDir(), "trace"+Suffix)
	if err := Write(dir, tl, Meta{}); err != nil {
		b.Fatal(err)
	}
	rows := tl.Rows()
	for b.Loop() {
		got, _, err := Open(dir)
		if err != nil || got.Rows() != rows {
			b.Fatal(got.Rows(), err)
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
