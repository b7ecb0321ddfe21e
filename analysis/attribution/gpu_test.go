package attribution

import (
	"reflect"
	"testing"

	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/devices"
	"github.com/inferscope/inferscope/analysis/internal/chaos"
	"github.com/inferscope/inferscope/analysis/timeline"
)

// The causes of idle time sum to it exactly, and the shares to the wall, whatever the events.
func TestIdleCausesSumToIdle(t *testing.T) {
	used := 0
	for seed := range uint64(3000) {
		tl := chaos.Devices(seed)
		if err := tl.Check(); err != nil {
			t.Fatal(err)
		}
		plan := coverage.Of(tl)
		list := devices.Sum(tl, plan)
		a := Host(tl, Options{Arch: "amd64"})
		a.Devices(list, plan)
		if a.GPU == nil {
			if len(list) > 0 {
				t.Fatalf("seed %d: %d devices, no attribution", seed, len(list))
			}
			continue
		}
		used++
		g := a.GPU
		var causes, lines, shares, blocks, byKind, columns int64
		for i, c := range g.Idle.Causes {
			causes += c.Ns
			if c.Line.Number > 0 {
				lines += c.Ns
			}
			if c.Ns <= 0 || i > 0 && c.Ns > g.Idle.Causes[i-1].Ns {
				t.Fatalf("seed %d: causes %+v", seed, g.Idle.Causes)
			}
		}
		for _, c := range g.IdleByKind() {
			byKind += c.Ns
		}
		for _, l := range a.Host.Lines {
			lines -= l.IdleCausedNs
		}
		for _, ns := range g.Shares {
			shares += ns
			if ns < 0 {
				t.Fatalf("seed %d: shares %v", seed, g.Shares)
			}
		}
		for _, b := range g.Blocks {
			for _, ns := range b {
				blocks += ns
			}
		}
		for _, c := range g.Columns {
			columns += c.Ns
		}
		idle := tl.Extent.Ns() - busyNs(&tl.Devices[g.Busiest].Ops, tl.Extent)
		if causes != idle || g.Idle.TotalNs != idle || byKind != idle || columns != idle || lines != 0 {
			t.Fatalf("seed %d: idle %d, total %d, causes %d, by kind %d, columns %d, lines differ by %d", seed, idle, g.Idle.TotalNs, causes, byKind, columns, lines)
		}
		if shares != tl.Extent.Ns() || blocks != shares {
			t.Fatalf("seed %d: wall %d, shares %d, blocks %d", seed, tl.Extent.Ns(), shares, blocks)
		}
		if of := devices.Sum(tl, plan); len(of) != len(list) {
			t.Fatal("devices differ")
		}
		again := Host(tl, Options{Arch: "amd64"})
		again.Devices(devices.Sum(tl, plan), plan)
		if !reflect.DeepEqual(a.GPU, again.GPU) || !reflect.DeepEqual(a.Host, again.Host) {
			t.Fatalf("seed %d: two answers to one question", seed)
		}
	}
	if used < 1000 {
		t.Errorf("only %d timelines had a device", used)
	}
}

// A million operations with their calls.
func launches(n int) *timeline.Timeline {
	b := timeline.NewBuilder()
	b.SetRung(timeline.RungEBPF)
	main := b.Thread(1, 1)
	main.SetMain()
	wall := int64(n) * 10_000
	main.SetKnown(timeline.Interval{Start: 0, End: wall})
	main.SetSamplePeriod(2_000_000)
	kernel, launch := b.Name("add"), b.Name("cudaLaunchKernel")
	torch := b.Name("/lib/libtorch_cpu.so")
	main.AppendLine(0, 1, 1, false)
	for i := range int64(n) {
		at := i * 10_000
		if i < 100_000 {
			main.AppendLine(at, 2+int32(i%2), 2+int32(i%2), false)
		} else if i == 100_000 {
			main.AppendLine(at, 2, 2, true)
		}
		if i%200 == 0 {
			main.AppendSample(at+500, timeline.SampleNative, -1, b.Stack([]timeline.FrameID{b.Frame(timeline.Frame{Func: b.Name("f"),
				File: b.Name(timeline.CellFile), Line: 2 + int32(i/200%2)})}), torch)
		}
		b.Calls().Append(at+2_000, at+6_000, main.ID(), timeline.CallLaunch, launch, uint32(i+1))
		b.Device(0).Append(timeline.Op{Start: at + 8_000, End: at + 10_500, Stream: 7, Name: kernel, Correlation: uint32(i + 1)})
	}
	return b.Build(timeline.Interval{Start: 0, End: wall})
}

func BenchmarkDevices(b *testing.B) {
	tl := launches(1_000_000)
	a := Host(tl, Options{})
	b.ResetTimer()
	for range b.N {
		plan := coverage.Of(tl)
		list := devices.Sum(tl, plan)
		a.Devices(list, plan)
	}
}

// Every cause of the host is itself as a cause of idle time.
func TestIdleOfTheHostsCauses(t *testing.T) {
	for k, want := range kinds {
		if got := idleKinds[idleOf(kind(k))]; got != want {
			t.Errorf("%s is %s as a cause of idle time", want, got)
		}
	}
}
