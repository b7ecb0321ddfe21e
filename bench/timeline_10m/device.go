package main

import "github.com/inferscope/inferscope/analysis/timeline"

// fillDevice streams a loop that gives a device work: of 10 events 4 are calls, 4 operations,
// one a line and one a sample. Every 50th call waits for the device, every 50th is a copy from
// pageable memory that waits as well, the others launch kernels of 2 us on two streams.
func fillDevice(b *timeline.Builder, events int, window int64) {
	main := b.Thread(1, 1)
	main.SetMain()
	main.SetSamplePeriod(2_000_000)
	main.SetKnown(timeline.Interval{Start: 0, End: window})
	kernel, launch, sync, copyName := b.Name("add"), b.Name("cudaLaunchKernel"), b.Name("cudaStreamSynchronize"), b.Name("cudaMemcpyAsync")
	stack := b.Stack([]timeline.FrameID{b.Frame(timeline.Frame{Func: b.Name("<module>"), File: b.Name(timeline.CellFile), Line: 2})})
	module := b.Name("/lib/libtorch_cpu.so")
	calls, device := b.Calls(), b.Device(0)
	step := window / int64(events/10*4+1)
	var busy [2]int64
	for i := range events / 10 * 4 {
		at := int64(i) * step
		back := at + step/2
		s := i % 2
		begin := max(back+1_000, busy[s])
		op := timeline.Op{Start: begin, End: begin + 2_000, Kind: timeline.OpKernel, Stream: uint32(s), Name: kernel, Correlation: uint32(i + 1)}
		switch i % 50 {
		case 48: // each wait comes with a kernel of the other stream, to keep four of ten events operations
			back = max(back, busy[0]+200, busy[1]+200)
			calls.Append(at, back, main.ID(), timeline.CallSync, sync, 0)
			op.Correlation = 0
			op.Start, op.End = back, back+100
		case 49:
			op.Kind, op.Name, op.Copy, op.Source, op.Target, op.Bytes = timeline.OpMemcpy, 0, timeline.CopyHtoD, timeline.MemoryPageable, timeline.MemoryDevice, 4096
			back = op.End + 200
			calls.Append(at, back, main.ID(), timeline.CallCopy, copyName, op.Correlation)
		default:
			calls.Append(at, back, main.ID(), timeline.CallLaunch, launch, op.Correlation)
		}
		busy[s] = op.End
		device.Append(op)
		if i%4 == 0 {
			main.AppendLine(at, int32(2+i/4%2), int32(2+i/4%2), false)
			main.AppendSample(at+step/4, timeline.SampleNative, -1, stack, module)
		}
	}
}
