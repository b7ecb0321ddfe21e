package ebpf

import (
	"slices"
	"testing"
	"unsafe"

	"github.com/inferscope/inferscope/analysis/timeline"
	"github.com/inferscope/inferscope/sidecar/internal/collect"
)

func raw[T any](record *T, size int) []byte {
	return append([]byte(nil), bytesOf(unsafe.Pointer(record), unsafe.Sizeof(*record))[:size]...)
}

func TestDecode(t *testing.T) {
	var d decoder
	off := probeOffcpuRecord{Kind: 1, FrameCount: 2, Tid: 7, Off: 10, On: 30}
	off.Frames[1].Code = 99
	if kind := d.decode(raw(&off, offcpuHead+2*frameLength)); kind != probeRecordKindRECORD_OFFCPU || d.offcpu != off {
		t.Errorf("kind %d, %+v", kind, d.offcpu)
	}
	for name, bytes := range map[string][]byte{
		"nothing":             {},
		"an unknown kind":     {9, 1, 2, 3, 4, 5, 6, 7},
		"half a head":         raw(&off, offcpuHead-1),
		"fewer frames":        raw(&off, offcpuHead+frameLength),
		"half a thread":       {2, 0, 0, 0},
		"half a sample":       {3, 0, 0, 0},
		"more frames than 32": func() []byte { o := off; o.FrameCount = 200; return raw(&o, int(unsafe.Sizeof(o))) }(),
	} {
		if kind := d.decode(bytes); kind != 0 {
			t.Errorf("%s: decoded as kind %d", name, kind)
		}
	}
}

// A switch that the kernel hides leaves an episode open: while it is closed at the next
// one, a waker on another CPU may write into it, or into its successor before that is whole.
func TestWakerOfTheNextWait(t *testing.T) {
	b := timeline.NewBuilder()
	s := newSession(New(Options{}), &programs{majors: deviceMajors{195}}, collect.Target{PID: 1 << 30}, 0, b)
	unseen := probeOffcpuRecord{Kind: 1, Pid: 3, Tid: 3, Syscall: -1, State: 1, WakerPid: 3, WakerTid: 4,
		Off: 100, On: 200, Wake: 310, Flags: uint8(probeOffcpuFlagFLAG_END_UNSEEN)}
	s.handle(raw(&unseen, offcpuHead))
	next := probeOffcpuRecord{Kind: 1, Pid: 3, Tid: 3, Syscall: -1, State: 1, WakerPid: 3, WakerTid: 4,
		Off: 300, Wake: 299, On: 400}
	s.handle(raw(&next, offcpuHead))
	tl := b.Build(timeline.Interval{Start: 0, End: 1000})
	if len(tl.Losses) > 0 {
		t.Errorf("losses %+v", tl.Losses)
	}
	sched := &threadByID(t, tl, 3).Sched
	if !slices.Equal(sched.Off, []int64{100, 300}) || !slices.Equal(sched.Wake, []int64{200, 300}) ||
		!slices.Equal(sched.On, []int64{200, 400}) {
		t.Fatalf("off %v, woken %v, on %v", sched.Off, sched.Wake, sched.On)
	}
	if sched.Waker[0] != 0 || tl.Threads[sched.Waker[1]].TID != 4 {
		t.Errorf("wakers %v", sched.Waker)
	}
}

// FuzzHandle feeds any bytes to everything that follows the rings.
func FuzzHandle(f *testing.F) {
	off := probeOffcpuRecord{Kind: 1, FrameCount: 1, Tid: 7, Off: 10, On: 30, Syscall: 202, State: 1}
	f.Add(raw(&off, offcpuHead+frameLength))
	thread := probeThreadRecord{Kind: 2, Event: 1, Pid: 3, Tid: 3, Time: 5}
	f.Add(raw(&thread, threadLength))
	sample := probeSampleRecord{Kind: 3, Pid: 3, Tid: 3, InUser: 1, FrameCount: 1}
	f.Add(raw(&sample, sampleHead+frameLength))
	f.Fuzz(func(t *testing.T, bytes []byte) {
		b := timeline.NewBuilder()
		// No process has this id: nothing real is read.
		s := newSession(New(Options{}), &programs{majors: deviceMajors{195}}, collect.Target{PID: 1 << 30}, 0, b)
		s.handle(bytes)
		s.handle(bytes)
		if err := b.Build(timeline.Interval{Start: 0, End: 1 << 40}).Check(); err != nil {
			t.Error(err)
		}
	})
}
