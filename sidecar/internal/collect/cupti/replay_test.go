package cupti

import (
	"cmp"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/inferscope/inferscope/analysis/timeline"
)

// callbackName is the name under which a recorded call comes by way of callbacks: the runtime's launches are those of the driver.
func callbackName(name string) string {
	return strings.NewReplacer("cudaLaunchKernelExC", "cuLaunchKernelEx", "cudaLaunchKernel", "cuLaunchKernel").Replace(cleanName(name))
}

// same compares a timeline with the recording that was replayed count times.
func same(t *testing.T, tl *timeline.Timeline, want recording, count int) {
	t.Helper()
	sameNamed(t, tl, want, count, callbackName)
}

// sameNamed is same where the recorded calls have come under other names.
func sameNamed(t *testing.T, tl *timeline.Timeline, want recording, count int, nameOf func(string) string) {
	t.Helper()
	if len(tl.Devices) != 1 {
		t.Fatalf("%d devices", len(tl.Devices))
	}
	d := &tl.Devices[0]
	if d.Name != "NVIDIA H100 80GB HBM3" || d.PCI != "0000:1B:00.0" || d.MemoryBytes != 80<<30 {
		t.Errorf("device %q %q %d", d.Name, d.PCI, d.MemoryBytes)
	}
	launcher := map[uint32]string{}
	calls := map[string]int{}
	for _, call := range slices.SortedFunc(slices.Values(want.calls), func(x, y recordedCall) int { return cmp.Compare(x.start, y.start) }) {
		if !wanted(call.name) {
			continue
		}
		calls[nameOf(call.name)] += count
		if launcher[call.correlation] == "" {
			launcher[call.correlation] = nameOf(call.name)
		}
	}
	type op struct {
		recordedOp
		launcher string
	}
	expected := map[op]int{}
	for _, o := range want.ops {
		by := launcher[o.correlation]
		o.correlation = 0
		expected[op{o, by}] += count
	}
	got := map[op]int{}
	o := &d.Ops
	for i := range o.Start {
		one := op{recordedOp: recordedOp{kind: o.Kind[i], name: tl.Names.String(o.Name[i]), bytes: o.Bytes[i], ns: o.End[i] - o.Start[i],
			copy: uint8(o.Copy[i]), from: uint8(o.Source[i]), to: uint8(o.Target[i]), stream: o.Stream[i], graph: o.Graph[i] != 0}}
		if o.Call[i] < 0 {
			t.Fatalf("operation %d has no call", i)
		}
		one.launcher = tl.Names.String(tl.Calls.Name[o.Call[i]])
		if o.Start[i] < tl.Calls.Start[o.Call[i]] {
			t.Errorf("operation %d began %d ns before the call that launched it", i, tl.Calls.Start[o.Call[i]]-o.Start[i])
		}
		got[one]++
	}
	if !maps.Equal(got, expected) {
		for k := range got {
			if got[k] != expected[k] {
				t.Errorf("%+v: %d times, want %d", k, got[k], expected[k])
			}
		}
		t.Errorf("%d different operations, want %d", len(got), len(expected))
	}
	named := map[string]int{}
	for i, name := range tl.Calls.Name {
		named[tl.Names.String(name)]++
		if tl.Calls.Class[i] == timeline.CallOther {
			t.Errorf("%s is of no class", tl.Names.String(name))
		}
	}
	if !maps.Equal(named, calls) {
		t.Errorf("calls %v, want %v", named, calls)
	}
}

// lossless wants nothing of CUPTI to be lost.
func lossless(t *testing.T, tl *timeline.Timeline) {
	t.Helper()
	if found := losses(tl); len(found) != 0 {
		t.Errorf("losses %v", found)
	}
}

// layouts are CUPTI versions with the sizes that their records have.
var layouts = []struct{ layout, version string }{
	{"12.0", "19"}, {"12.9", "27"}, {"13.0", "130001"}, {"13.5", "130500"},
}

func TestReplayEqualsTheRecording(t *testing.T) {
	for name, known := range readAbout(t).Recordings {
		for _, l := range layouts {
			t.Run(name+" as CUDA "+l.layout, func(t *testing.T) {
				t.Parallel()
				p := start(t, name, false, "MOCK_CUPTI_LAYOUT="+l.layout, "MOCK_CUPTI_VERSION="+l.version)
				tl, end := capture(t, newCollector(t), p, 1)
				same(t, tl, readRecording(t, p.file), 1)
				lossless(t, tl)
				// Finalizing before API version 24 crashed with CUDA graphs.
				if want := map[bool]int{true: 1}[l.layout != "12.0"]; end.result != 0 || end.started != 1 || end.finalized != want {
					t.Errorf("end: %+v", end)
				}
				counts := map[timeline.OpKind]int{}
				for _, kind := range tl.Devices[0].Ops.Kind {
					counts[kind]++
				}
				if counts[timeline.OpKernel] != known.Profiler["kernel"] || counts[timeline.OpMemcpy] != known.Profiler["gpu_memcpy"] ||
					counts[timeline.OpMemset] != known.Profiler["gpu_memset"] || counts[timeline.OpKernel] != known.Records["10"] {
					t.Errorf("%v, torch.profiler counted %v", counts, known.Profiler)
				}
				if len(tl.Overheads) == 0 || len(tl.Overheads) > known.Records["17"] {
					t.Errorf("%d overheads of %d", len(tl.Overheads), known.Records["17"])
				}
				if got := p.do("retained"); got != "0" {
					t.Errorf("%s contexts are still retained", got)
				}
			})
		}
	}
}

func TestSidesOfCopies(t *testing.T) {
	tl, _ := capture(t, newCollector(t), start(t, "copies", false), 1)
	o := &tl.Devices[0].Ops
	found := map[[2]timeline.MemoryKind]int64{}
	for i, kind := range o.Kind {
		if kind == timeline.OpMemcpy {
			found[[2]timeline.MemoryKind{o.Source[i], o.Target[i]}] += o.Bytes[i]
		}
	}
	// Ten times: 1 MiB from pageable, 1 MiB from pinned, 1 MiB back, and one float by way of torch's own pinned memory.
	want := map[[2]timeline.MemoryKind]int64{{timeline.MemoryPageable, timeline.MemoryDevice}: 10 << 20,
		{timeline.MemoryPinned, timeline.MemoryDevice}: 10 << 20, {timeline.MemoryDevice, timeline.MemoryPageable}: 10 << 20,
		{timeline.MemoryDevice, timeline.MemoryPinned}: 40}
	if !maps.Equal(found, want) {
		t.Errorf("%v, want %v", found, want)
	}
}

func TestSetsAndCopiesBetweenDevices(t *testing.T) {
	for _, l := range layouts {
		p := start(t, "adds", false, "MOCK_CUPTI_EXTRA=1", "MOCK_CUPTI_LAYOUT="+l.layout)
		tl, _ := capture(t, newCollector(t), p, 1)
		o := &tl.Devices[0].Ops
		set, copied := slices.Index(o.Kind, timeline.OpMemset), slices.Index(o.Kind, timeline.OpMemcpy)
		if set < 0 || o.Bytes[set] != 4096 || o.End[set]-o.Start[set] != 1000 || o.Stream[set] != 7 {
			t.Errorf("%s: set %d", l.layout, set)
		}
		if copied < 0 || o.Bytes[copied] != 1<<20 || o.Copy[copied] != timeline.CopyPtoP || o.Source[copied] != timeline.MemoryDevice {
			t.Errorf("%s: copy %d", l.layout, copied)
		}
	}
}

func TestArmedCaptureStartsWithCUDA(t *testing.T) {
	p := start(t, "adds", true)
	collector := newCollector(t)
	one := begin(t, collector, p)
	p.do("set CUDA_INJECTION64_PATH %s", compile(t)+"/libinferscope_shim.so")
	if o := p.outcome("begin %s 0 0 0", one.session.RingPath()); o.result != 0 || o.started != 0 {
		t.Fatalf("begin: %+v", o)
	}
	if state := p.do("state"); state != "1" {
		t.Fatalf("state %s, want armed", state)
	}
	p.do("init")
	if state := p.do("state"); state != "2" {
		t.Fatalf("state %s, want on", state)
	}
	p.replay(1)
	if o := p.outcome("end"); o.result != 0 || o.started != 1 || !strings.HasSuffix(o.library, "libcupti.so.13") {
		t.Errorf("end: %+v", o)
	}
	tl := one.finish(t)
	same(t, tl, readRecording(t, p.file), 1)
	lossless(t, tl)
}

func TestArmedForNothing(t *testing.T) {
	p := start(t, "adds", true)
	collector := newCollector(t)
	one := begin(t, collector, p)
	p.outcome("begin %s 0 0 0", one.session.RingPath())
	if o := p.outcome("end"); o.result != 0 || o.started != 0 || o.records != 0 {
		t.Errorf("end: %+v", o)
	}
	path := one.session.RingPath()
	tl := one.finish(t)
	if lossless(t, tl); len(tl.Devices) != 0 {
		t.Errorf("%d devices", len(tl.Devices))
	}
	// The ring was never used, and is used again.
	if next := begin(t, collector, p); next.session.RingPath() != path {
		t.Error("another ring")
	} else {
		next.session.Abort()
	}
}

func TestLateStartThatFails(t *testing.T) {
	p := start(t, "adds", true, "MOCK_CUPTI_ENABLE=39")
	one := begin(t, newCollector(t), p)
	p.do("set CUDA_INJECTION64_PATH %s", compile(t)+"/libinferscope_shim.so")
	if o := p.outcome("begin %s 0 0 0", one.session.RingPath()); o.result != 0 {
		t.Fatalf("begin: %+v", o)
	}
	p.do("init")
	p.replay(1)
	if o := p.outcome("end"); o.result != 39 || o.cuptiError != 39 || o.step != "enable device activity" || o.started != 0 {
		t.Errorf("end: %+v", o)
	}
	if o := p.outcome("end"); o.result != 0 || o.started != 0 {
		t.Errorf("end again: %+v", o)
	}
	if tl := one.finish(t); len(tl.Devices) != 0 {
		t.Errorf("%d devices", len(tl.Devices))
	}
}

func TestInjectionIsInertInAnotherProcess(t *testing.T) {
	// A child of a profiled process inherits the variable.
	shim := compile(t) + "/libinferscope_shim.so"
	p := start(t, "adds", true, "CUDA_INJECTION64_PATH="+shim)
	if answer := p.do("init"); answer != "0" {
		t.Errorf("cuInit: %s", answer)
	}
	if state := p.do("state"); state != "0" {
		t.Errorf("state %s", state)
	}
	if o := p.outcome("end"); o.result != 0 || o.started != 0 || o.library != "" {
		t.Errorf("end: %+v", o)
	}
}

func TestBeginTwiceAndEndTwice(t *testing.T) {
	p := start(t, "adds", false)
	collector := newCollector(t)
	if o := p.outcome("end"); o.result != 0 || o.started != 0 {
		t.Errorf("end without begin: %+v", o)
	}
	one := begin(t, collector, p)
	p.outcome("begin %s 0 0 0", one.session.RingPath())
	if o := p.outcome("begin %s 0 0 0", one.session.RingPath()); o.result != -1 || o.detail != "a capture is already going on" {
		t.Errorf("begin again: %+v", o)
	}
	p.replay(1)
	if o := p.outcome("end"); o.result != 0 || o.started != 1 || o.records == 0 {
		t.Errorf("end: %+v", o)
	}
	if o := p.outcome("end"); o.result != 0 || o.started != 0 || o.records != 0 || o.finalized != 0 {
		t.Errorf("end again: %+v", o)
	}
	tl := one.finish(t)
	same(t, tl, readRecording(t, p.file), 1)
	lossless(t, tl)
}

func TestTwentyCellsInOneProcess(t *testing.T) {
	p := start(t, "streams", false)
	collector := newCollector(t)
	want := readRecording(t, p.file)
	path := ""
	for range 20 {
		one := begin(t, collector, p)
		if path == "" {
			path = one.session.RingPath()
		} else if one.session.RingPath() != path {
			t.Fatal("another ring for each cell")
		}
		if o := p.outcome("begin %s 0 0 0", path); o.result != 0 {
			t.Fatalf("begin: %+v", o)
		}
		p.replay(1)
		if o := p.outcome("end"); o.result != 0 || o.finalized != 1 {
			t.Fatalf("end: %+v", o)
		}
		tl := one.finish(t)
		same(t, tl, want, 1)
		lossless(t, tl)
	}
	maps, err := os.ReadFile("/proc/" + p.do("pid") + "/maps")
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(maps), path); n != 1 {
		t.Errorf("the ring is mapped %d times", n)
	}
	p.do("release")
	if maps, _ = os.ReadFile("/proc/" + p.do("pid") + "/maps"); strings.Contains(string(maps), path) {
		t.Error("the ring is still mapped after release")
	}
}

func TestForkInTheMiddle(t *testing.T) {
	p := start(t, "adds", false)
	collector := newCollector(t)
	one := begin(t, collector, p)
	p.outcome("begin %s 0 0 0", one.session.RingPath())
	p.replay(1)
	for range 2 {
		if status := p.do("fork"); status != "0" {
			t.Fatalf("the child ended with %s", status)
		}
	}
	p.replay(1)
	if o := p.outcome("end"); o.result != 0 || o.started != 1 {
		t.Errorf("end: %+v", o)
	}
	tl := one.finish(t)
	lossless(t, tl)
	if n, want := tl.Devices[0].Ops.Len(), 2*len(readRecording(t, p.file).ops); n != want {
		t.Errorf("%d operations, want %d", n, want)
	}
	// And the next capture of the parent is whole.
	tl, _ = capture(t, collector, p, 1)
	if n, want := tl.Devices[0].Ops.Len(), len(readRecording(t, p.file).ops); n != want {
		t.Errorf("%d operations, want %d", n, want)
	}
}

func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		environment []string
		fails       string // the step at begin
		loss        string // in the timeline
		count       int64  // of the loss; 0 for any
		kernels     int
	}{
		"another profiler":        {environment: []string{"MOCK_CUPTI_ENABLE=39"}, fails: "enable device activity"},
		"CUDA 11.7":               {environment: []string{"MOCK_CUPTI_VERSION=17"}, fails: "find CUPTI"},
		"no clock":                {environment: []string{"MOCK_CUPTI_CLOCK=zero"}, kernels: 200},
		"another profiler's":      {environment: []string{"MOCK_CUPTI_CLOCK=counter"}, kernels: 200},
		"zero timestamps":         {environment: []string{"MOCK_CUPTI_ZERO=4"}, loss: "GPU records had no valid times and were left out", count: 50, kernels: 150},
		"a kind of somebody else": {environment: []string{"MOCK_CUPTI_ALIEN=1"}, kernels: 200},
		"a kind nobody knows":     {environment: []string{"MOCK_CUPTI_BROKEN=1"}, loss: "GPU records had no valid times and were left out", count: 1, kernels: -1},
		"CUPTI drops":             {environment: []string{"MOCK_CUPTI_DROPPED=7"}, loss: "GPU records were dropped by CUPTI", count: 7, kernels: 200},
		"a slow flush":            {environment: []string{"MOCK_CUPTI_SLOW_MS=50"}, kernels: 200},
		"an older layout":         {environment: []string{"MOCK_CUPTI_LAYOUT=short"}, loss: "GPU records had no valid times and were left out", count: 200, kernels: 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, "adds", false, c.environment...)
			one := begin(t, newCollector(t), p)
			o := p.outcome("begin %s 0 0 0", one.session.RingPath())
			if (o.result != 0) != (c.fails != "") || o.step != c.fails {
				t.Fatalf("begin: %+v", o)
			}
			p.replay(1)
			if o := p.outcome("end"); o.result != 0 || o.started != map[bool]int{true: 1}[c.fails == ""] {
				t.Errorf("end: %+v", o)
			}
			tl := one.finish(t)
			found := losses(tl)
			if c.loss == "" && len(found) != 0 || c.loss != "" && (len(found) != 1 || found[c.loss] != c.count) {
				t.Errorf("losses %v, want %q %d", found, c.loss, c.count)
			}
			kernels := 0
			if len(tl.Devices) == 1 {
				kernels = tl.Devices[0].Ops.Len()
			}
			if c.kernels >= 0 && kernels != c.kernels || c.kernels < 0 && (kernels == 0 || kernels == 200) {
				t.Errorf("%d kernels, want %d", kernels, c.kernels)
			}
		})
	}
}

// TestPhantomDrop: after the first cuptiFinalize of a process CUPTI says of each capture that it dropped one record.
func TestPhantomDrop(t *testing.T) {
	p := start(t, "adds", false, "MOCK_CUPTI_DROPPED=1")
	collector := newCollector(t)
	tl, _ := capture(t, collector, p, 1)
	if found := losses(tl)["GPU records were dropped by CUPTI"]; found != 1 {
		t.Errorf("first capture: %d", found)
	}
	tl, _ = capture(t, collector, p, 1)
	lossless(t, tl)
	p.do("set MOCK_CUPTI_DROPPED 2")
	tl, _ = capture(t, collector, p, 1)
	if found := losses(tl)["GPU records were dropped by CUPTI"]; found != 2 {
		t.Errorf("third capture: %d", found)
	}
}

func TestDeviceThatDoesNotFinish(t *testing.T) {
	p := start(t, "adds", false, "MOCK_CUDA_HANG_MS=60000")
	one := begin(t, newCollector(t), p)
	p.outcome("begin %s 0 0 0", one.session.RingPath())
	p.replay(1)
	if answer := p.do("drain 20"); answer != "0" {
		t.Errorf("drain: %s", answer)
	}
	began := time.Now()
	// CUPTI stays, since taking it out would wait for the device.
	if o := p.outcome("end"); o.result != 0 || o.busy != 1 || o.finalized != 0 {
		t.Errorf("end: %+v", o)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("end waited for the device: %v", took)
	}
	if tl := one.finish(t); tl.Devices[0].Ops.Len() != 200 {
		t.Errorf("%d operations", tl.Devices[0].Ops.Len())
	}
}

func TestDrainThenEnd(t *testing.T) {
	p := start(t, "adds", false)
	one := begin(t, newCollector(t), p)
	p.outcome("begin %s 0 0 0", one.session.RingPath())
	p.replay(1)
	for p.do("drain 1") != "1" {
	}
	if o := p.outcome("end"); o.result != 0 || o.busy != 0 || o.finalized != 1 {
		t.Errorf("end: %+v", o)
	}
	same(t, one.finish(t), readRecording(t, p.file), 1)
}

func TestMemoryIsBounded(t *testing.T) {
	p := start(t, "adds", false)
	one := begin(t, newCollector(t), p)
	// Two buffers of 16 KiB at once: most records find none and go to a buffer that is thrown away.
	p.outcome("begin %s 16384 2 0", one.session.RingPath())
	p.replay(50)
	p.outcome("end")
	tl := one.finish(t)
	found := losses(tl)["buffers of GPU records were thrown away for lack of memory"]
	kernels := 0
	if len(tl.Devices) > 0 {
		kernels = tl.Devices[0].Ops.Len()
	}
	if kernels == 50*200 && found > 0 || kernels < 50*200 && found == 0 {
		t.Errorf("%d of %d kernels, %d buffers thrown away", kernels, 50*200, found)
	}
}

func TestTooManyNames(t *testing.T) {
	p := start(t, "adds", false, "MOCK_CUPTI_NAMES=1")
	const rounds = 250
	tl, _ := capture(t, newCollector(t), p, rounds)
	o := &tl.Devices[0].Ops
	found := map[timeline.NameID]int64{}
	for _, name := range o.Name {
		found[name]++
	}
	unnamed := found[0]
	if o.Len() != rounds*200 || len(found) < 40_000 || int64(o.Len()) != int64(len(found)-1)+unnamed {
		t.Errorf("%d kernels, %d names, %d without", o.Len(), len(found), unnamed)
	}
	// The device's own name came last and found no room either.
	if lost := losses(tl)["GPU records have no name: there are too many different ones"]; unnamed == 0 || lost != unnamed+1 {
		t.Errorf("%d without a name, the loss says %d", unnamed, lost)
	}
}
