package attribution_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
	"github.com/inferscope/inferscope/analysis/result"
)

func analyze(t *testing.T, text string) *result.Result {
	t.Helper()
	f, err := fixture.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Timeline.Check(); err != nil {
		t.Fatal(err)
	}
	return analysis.Analyze(f.Timeline, analysis.Input{Cell: result.Cell{Lines: f.Source}, Arch: fixture.Arch})
}

// idle lists the causes as "kind line us", largest first.
func idle(r *result.Result) string {
	var out []string
	for _, c := range r.Idle.Causes {
		out = append(out, fmt.Sprintf("%s %d %d", c.Kind, c.Line.Number, c.Ns/1000))
	}
	return strings.Join(out, ", ")
}

const thread = `window 0s 1ms
thread m main python known period=10us
line m 0s 1
`

func TestIdleCauses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a launch returned shortly before": {thread + `
kernel m 0s 1us 0s 500us k
kernel m 505us 510us 520us 1ms k`,
			// the first half of the call is before its return
			"launch_latency 1 10, framework 1 5, unknown 1 5"},
		"launched long ago": {thread + `
kernel m 0s 1us 0s 500us k
kernel m 2us 3us 600us 1ms k`,
			"device_wait 1 100"},
		"a stream that waits for an event": {thread + `
kernel m 0s 1us 0s 500us k stream=1
call m 1us 2us event cudaStreamWaitEvent
kernel m 2us 3us 600us 1ms k stream=2`,
			"stream_dependency 1 100"},
		"tracing held it up": {thread + `
kernel m 0s 1us 0s 500us k
overhead 550us 580us
overhead 570us 590us
kernel m 2us 3us 600us 1ms k`,
			"device_wait 1 60, profiler 1 40"},
		"after a synchronisation, blamed on its line": {thread + `
kernel m 0s 1us 0s 500us k
line m 400us 7
call m 410us 505us sync cudaStreamSynchronize
line m 510us 8
kernel m 590us 595us 600us 1ms k`,
			"sync_refill 7 95, launch_latency 8 5"},
		"a copy that blocks is a synchronisation": {thread + `
line m 5us 7
copy m 10us 520us 20us 510us DtoH device pinned 1000
line m 530us 8
kernel m 590us 595us 600us 1ms k`,
			"sync_refill 7 85, framework 7 10, unknown 1 5, unknown 7 5, launch_latency 8 5"},
		"a wait after a synchronisation keeps its cause": {thread + `
kernel m 0s 1us 0s 100us k
line m 50us 7
call m 60us 105us sync cudaDeviceSynchronize
line m 110us 8
off m 120us 820us 820us sleep
line m 830us 9
kernel m 890us 895us 900us 1ms k`,
			"sleep 8 700, sync_refill 7 95, launch_latency 9 5"},
		"initialisation and loading of code": {thread + `
call m 0s 300us init cuDevicePrimaryCtxRetain
line m 300us 2
call m 310us 500us module cuLibraryLoadData
kernel m 305us 600us 610us 1ms k`,
			"warm_up 1 300, compile 2 190, framework 2 105, launch_latency 2 10, unknown 2 5"},
		"inside an allocation, off the CPU or not": {thread + `
kernel m 0s 1us 0s 100us k
line m 100us 2
call m 100us 900us alloc cudaMalloc
off m 200us 300us 300us gpu_driver syscall=ioctl
kernel m 900us 905us 910us 1ms k`,
			"allocator 2 800, launch_latency 2 5, framework 2 5"},
		"inside a pageable copy": {thread + `
kernel m 0s 1us 0s 100us k
line m 90us 2
copy m 100us 900us 300us 890us HtoD pageable device 1000
kernel m 900us 905us 910us 1ms k`,
			"pageable_copy 2 200, sync_refill 2 15, launch_latency 2 5"},
		"a worker of a data loader": {thread + `
stack next get@/usr/lib/python3.12/queue.py:1 _next_data@/env/torch/utils/data/dataloader.py:8 <module>@<cell>:3
kernel m 0s 1us 0s 100us k
line m 90us 3
off m 100us 890us 890us poll stack=next
kernel m 890us 895us 900us 1ms k`,
			"data_loading 3 790, framework 3 5, launch_latency 3 5"},
		"a transform in this process": {thread + `
stack next resize@/home/u/t.py:1 __next__@/env/torch/utils/data/dataloader.py:8 <module>@<cell>:3
kernel m 0s 1us 0s 100us k
line m 90us 3
repeat 79 every 10us
sample m 105us python stack=next
end
kernel m 890us 895us 900us 1ms k`,
			"data_loading 3 790, framework 3 5, launch_latency 3 5"},
		"a collection": {thread + `
kernel m 0s 1us 0s 100us k
gc m 100us 890us gen=2
kernel m 890us 895us 900us 1ms k`,
			"gc 1 790, framework 1 5, launch_latency 1 5"},
		"on the CPU": {thread + `
stack user f@/home/u/a.py:1
stack torch linear@/env/torch/nn/functional.py:1 f@/home/u/a.py:1
kernel m 0s 1us 0s 100us k
line m 100us 2
repeat 20 every 10us
sample m 105us python stack=user
sample m 305us native stack=user module=/env/torch/lib/libtorch_cpu.so
sample m 505us native stack=user module=/usr/lib/libblas.so
sample m 705us python stack=torch
end
kernel m 900us 905us 910us 1ms k`,
			"framework 2 405, python 2 200, native 2 200, launch_latency 2 5"},
		"compiling in Python": {thread + `
stack dynamo step@/env/torch/_dynamo/symbolic_convert.py:1 <module>@<cell>:2
stack warm forward@/home/u/m.py:3 _fn@/env/torch/_dynamo/eval_frame.py:1 <module>@<cell>:2
kernel m 0s 1us 0s 100us k
line m 100us 2
repeat 40 every 10us
sample m 105us python stack=dynamo
sample m 505us python stack=warm
end
kernel m 900us 905us 910us 1ms k`,
			"compile 2 400, framework 2 405, launch_latency 2 5"},
		"a thread that waits for work passes the blame on": {thread + `
thread autograd known
kernel m 0s 1us 0s 100us k
line m 100us 2
off m 100us 800us 800us sleep
off autograd 50us 850us 850us lock
line m 800us 3
kernel autograd 890us 895us 900us 1ms k`,
			"sleep 2 700, unknown 3 90, framework 3 5, launch_latency 3 5"},
		"a compiler's threads try what it made": {thread + `
stack xla backend_compile_and_load@/env/jax/_src/compiler.py:1 <module>@<cell>:2
thread pool known period=10us
kernel m 0s 1us 0s 100us k
line m 90us 2
off m 100us 900us 900us lock stack=xla
repeat 39 every 20us
sample pool 105us native module=/env/jax_plugins/xla_cuda13/xla_cuda_plugin.so
end
kernel pool 890us 895us 900us 1ms k`,
			"compile 2 800"},
		"a wait whose stack was not read to its bottom": {thread + `
stack next select@/usr/lib/python3.12/selectors.py:1 _next_data@/env/torch/utils/data/dataloader.py:8 <module>@<cell>:3
stack cut select@/usr/lib/python3.12/selectors.py:1
kernel m 0s 1us 0s 100us k
line m 90us 3
off m 100us 500us 500us poll stack=next
off m 500us 890us 890us poll stack=cut
kernel m 890us 895us 900us 1ms k`,
			"data_loading 3 790, framework 3 5, launch_latency 3 5"},
		"a whole stack of another kind keeps its cause": {thread + `
stack next select@/usr/lib/python3.12/selectors.py:1 _next_data@/env/torch/utils/data/dataloader.py:8 <module>@<cell>:3
stack loop select@/usr/lib/python3.12/selectors.py:1 run@/usr/lib/python3.12/asyncio/base_events.py:1 <module>@/env/a.py:1
kernel m 0s 1us 0s 100us k
line m 90us 3
off m 100us 500us 500us poll stack=next
off m 500us 890us 890us poll stack=loop
kernel m 890us 895us 900us 1ms k`,
			"data_loading 3 400, event_wait 3 390, framework 3 5, launch_latency 3 5"},
		"work of an earlier cell, and none of this one": {thread + `
carry 100us 400us k`,
			"unknown 1 600, device_wait 0 100"},
		"after the cell": {thread + `
kernel m 10us 20us 30us 900us k
kernel m 40us 50us 1100us 1200us k`,
			"device_wait 1 200, unknown 1 10, framework 1 10, launch_latency 1 10"},
	} {
		r := analyze(t, c.text)
		got, want := strings.Split(idle(r), ", "), strings.Split(c.want, ", ")
		left := map[string]int{}
		for _, g := range got {
			left[g]++
		}
		for _, w := range want {
			left[w]--
		}
		for _, n := range left {
			if n != 0 {
				t.Errorf("%s:\n got %v\nwant %v", name, got, want)
				break
			}
		}
	}
}

// The driver's own threads wait in it in every process that has used CUDA, whatever the cell does.
func TestTheDriversThreadsAreNoUseOfTheGPU(t *testing.T) {
	for name, want := range map[string]result.Class{
		"cuda-EvtHandlr": result.CPUBound, "cuda00001400006": result.CPUBound, "cuda-loader": result.Unknown, "worker": result.Unknown,
	} {
		r := analyze(t, `
window 0s 1s
thread m main python known
thread `+name+` known
line m 0s 1
off m 1ms 990ms 990ms sleep
off `+name+` 1ms 990ms 990ms gpu_driver syscall=poll
`)
		if r.Verdict.Class != want {
			t.Errorf("%s waits in the driver: %s, want %s: %s", name, r.Verdict.Class, want, r.Verdict.Sentence)
		}
	}
}

func TestWhatLinesDidToTheDevice(t *testing.T) {
	r := analyze(t, `window 0s 1ms
source
a
b
c
end
device 0 H100
thread m main python known period=10us
thread autograd known
line m 0s 1
line m 100us 2
stack hot <module>@<cell>:3
kernel m 10us 20us 30us 130us gemm
kernel m 110us 120us 200us 230us gemm
copy m 130us 140us 240us 250us HtoD pinned device 64
kernel autograd 150us 160us 260us 270us add graph=3
line m 300us 2 sampled
repeat 20 every 10us
sample m 305us python stack=hot
end
kernel m 400us 410us 420us 430us add
`)
	type row struct{ launches, copies, gpu int64 }
	want := map[int32]row{1: {1, 0, 100_000}, 2: {2, 1, 50_000}, 3: {1, 0, 10_000}}
	var idle int64
	for _, l := range r.Host.Lines {
		if got := (row{l.Launches, l.Copies, l.GPUNs}); got != want[l.Line.Number] {
			t.Errorf("line %d: %+v, want %+v", l.Line.Number, got, want[l.Line.Number])
		}
		idle += l.IdleCausedNs
	}
	if idle != r.Idle.TotalNs || r.Idle.TotalNs != r.Devices[0].CellIdleNs {
		t.Errorf("lines %d, idle %d, device %d", idle, r.Idle.TotalNs, r.Devices[0].CellIdleNs)
	}
	if k := r.Devices[0].TopKernels; k[0].Name != "gemm" || k[0].Line.Number != 1 || k[0].Line.Text != "a" {
		t.Errorf("%+v", k)
	}
}

// The details say who was waited for and where.
func TestIdleDetails(t *testing.T) {
	r := analyze(t, thread+`
kernel m 0s 1us 0s 500us k
line m 400us 7
call m 410us 505us sync cudaStreamSynchronize
kernel m 590us 595us 600us 1ms k`)
	c := r.Idle.Causes[0]
	if c.Detail != "after cudaStreamSynchronize" || c.Count != 1 || c.Share < 0.09 || c.Share > 0.1 {
		t.Errorf("%+v", c)
	}
}
