package attribution_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/attribution"
	"github.com/inferscope/inferscope/analysis/coverage"
	"github.com/inferscope/inferscope/analysis/devices"
	"github.com/inferscope/inferscope/analysis/internal/fixture"
)

// trace begins a trace of another tool: no lines, no scheduler data, two threads.
const trace = `window 0s 1ms
rung trace
nocell
device 0 H100
thread m main
thread b
`

// gap begins one of 700 us: what follows launches the kernel at 900 us.
const gap = `kernel m 0s 1us 0s 200us k
`

func TestIdleCausesOfMarkedCode(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"an operator, and nothing around it": {gap + `
range m 300us 500us operator aten::add
kernel m 890us 895us 900us 1ms k`,
			"unknown 0 490, framework 0 205, launch_latency 0 5"},
		"a data loader, whatever it calls": {gap + `
range m 200us 880us loader enumerate(DataLoader)^_SingleProcessDataLoaderIter.__next__
range m 300us 500us operator aten::stack
range m 500us 600us python app/data.py(3):~decode
kernel m 890us 895us 900us 1ms k`,
			"data_loading 0 680, unknown 0 10, launch_latency 0 5, framework 0 5"},
		"Python of the user's and of a framework, the innermost counts": {gap + `
range m 200us 880us python train.py(9):~main
range m 300us 500us python torch/nn/modules/module.py(5):~_call_impl
range m 320us 400us python model.py(7):~forward
range m 340us 350us python <built-in~method~item>
range m 500us 600us python torch/utils/data/dataloader.py(1):~__next__
range m 510us 520us python torch/utils/data/_utils/fetch.py(2):~fetch
range m 520us 530us python transforms.py(4):~resize
kernel m 890us 895us 900us 1ms k`,
			"python 0 460, framework 0 125, data_loading 0 100, unknown 0 10, launch_latency 0 5"},
		"PyTorch's profiler, whatever it calls": {gap + `
range m 200us 700us python torch/profiler/profiler.py(5):~step
range m 300us 500us operator aten::zeros
kernel m 890us 895us 900us 1ms k`,
			"profiler 0 500, unknown 0 190, launch_latency 0 5, framework 0 5"},
		"a synchronising call, an allocation and a copy inside of an operator keep their own causes": {gap + `
range m 100us 880us operator aten::item
call m 150us 250us sync cudaStreamSynchronize
call m 600us 700us alloc cudaMalloc
copy m 300us 501us 499us 500us DtoH device pageable 1000
kernel m 890us 895us 900us 1ms k`,
			"sync_refill 0 395, pageable_copy 0 199, allocator 0 100, launch_latency 0 5"},
		"another thread that is in no code hands the question on": {gap + `
range m 200us 600us operator aten::add
range b 700us 880us operator autograd::engine
kernel b 890us 895us 900us 1ms k`,
			"framework 0 585, unknown 0 110, launch_latency 0 5"},
		"a launch that was not recorded leaves the host without blame": {gap + `
range m 300us 500us operator aten::add
carry 900us 1ms k`,
			"unknown 0 500, framework 0 200"},
	} {
		r := analyze(t, trace+c.text)
		var sum int64
		for _, cause := range r.Idle.Causes {
			sum += cause.Ns
		}
		if sum != r.Idle.TotalNs || sum != 700_000 && !strings.Contains(name, "synchronising") {
			t.Errorf("%s: causes sum to %d of %d", name, sum, r.Idle.TotalNs)
		}
		if got := idle(r); !sameParts(got, c.want) {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// sameParts compares two lists of causes without regard to order.
func sameParts(a, b string) bool {
	x, y := map[string]int{}, map[string]int{}
	for _, s := range strings.Split(a, ", ") {
		x[s]++
	}
	for _, s := range strings.Split(b, ", ") {
		y[s]++
	}
	return fmt.Sprint(x) == fmt.Sprint(y)
}

func TestDetailsOfMarkedCode(t *testing.T) {
	for text, want := range map[string]string{
		"range m 200us 880us loader enumerate(DataLoader)^_SingleProcessDataLoaderIter.__next__":                 "data_loading: running in this process",
		"range m 200us 880us loader enumerate(DataLoader)^_MultiProcessingDataLoaderIter.__next__":               "data_loading: waiting for a worker",
		"range m 200us 880us operator aten::add":                                                                 "framework: in aten::add",
		"range m 200us 600us operator aten::add\nrange m 600us 880us operator aten::mul":                         "framework: mostly in aten::add",
		"range m 200us 500us operator aten::add\nrange m 500us 700us operator a\nrange m 700us 880us operator b": "framework: most of all, 44% of it, in aten::add",
		"range m 200us 880us python app/train.py(9):~collate":                                                    "python: in collate() of train.py",
	} {
		r := analyze(t, trace+gap+text+"\nkernel m 890us 895us 900us 1ms k")
		if c := r.Idle.Causes[0]; string(c.Kind)+": "+c.Detail != want {
			t.Errorf("%s: %s: %s, want %s", text, c.Kind, c.Detail, want)
		}
	}
}

func TestHostCausesOfMarkedCode(t *testing.T) {
	r := analyze(t, trace+`
range m 0s 400us operator aten::add
range m 100us 200us python app/train.py(9):~collate
call m 300us 350us sync cudaStreamSynchronize
range m 400us 700us loader enumerate(DataLoader)^x
range b 0s 1ms operator aten::mul`)
	var got []string
	for _, c := range r.Host.ByKind {
		got = append(got, fmt.Sprintf("%s %d %s", c.Kind, c.Ns/1000, c.Detail))
	}
	want := "data_loading 300 in enumerate(DataLoader)#x, unknown 300 outside of what the trace shows, framework 250 in aten::add, " +
		"python 100 in collate() of train.py, gpu_driver 50 cudaStreamSynchronize"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
	got = nil
	for _, f := range r.Host.Functions {
		got = append(got, fmt.Sprintf("%s %d x%d %v", f.Name, f.SelfNs/1000, f.Calls, f.Exact))
	}
	if strings.Join(got, ", ") != "aten::mul 1000 x1 true, aten::add 300 x1 true, enumerate(DataLoader)#x 300 x1 true, collate 100 x1 true" {
		t.Errorf("functions %s", strings.Join(got, ", "))
	}
}

// shares are the parts of the wall in us.
func shares(t *testing.T, text string) (out [attribution.NumShares]int64) {
	t.Helper()
	f, err := fixture.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	a := attribution.Host(f.Timeline, attribution.Options{Arch: fixture.Arch})
	plan := coverage.Of(f.Timeline)
	a.Devices(devices.Sum(f.Timeline, plan), plan)
	var sum int64
	for i, ns := range a.GPU.Shares {
		out[i] = ns / 1000
		sum += ns
	}
	if sum != a.GPU.WallNs {
		t.Errorf("the shares sum to %d of %d", sum, a.GPU.WallNs)
	}
	return out
}

// What the device does while the host works of its own accord is hidden; what it does
// while the host waits for it, or does what nothing tells, is not.
func TestHiddenWork(t *testing.T) {
	const kernels = "kernel m 0s 1us 100us 600us k\ncopy m 2us 3us 500us 900us HtoD pinned device 1000\n"
	for name, c := range map[string]struct {
		text                                                  string
		kernels, copies, overlap, hiddenKernels, hiddenCopies int64
	}{
		"the host did what nothing tells": {"", 400, 300, 100, 0, 0},
		"it worked all along":             {"range m 0s 1ms operator aten::add", 0, 0, 0, 500, 300},
		"it worked in part":               {"range m 150us 250us operator a\nrange m 450us 550us operator b\nrange m 850us 950us operator c", 250, 250, 50, 200, 50},
		"it waited inside of its code":    {"range m 0s 1ms operator aten::item\ncall m 200us 900us sync cudaStreamSynchronize", 300, 300, 100, 100, 0},
		"a launch waited for room":        {"range m 0s 1ms operator aten::add\ncall m 200us 300us launch cudaLaunchKernel\ncall m 310us 330us launch cudaLaunchKernel", 100, 0, 0, 400, 300},
		"a thread without launches works": {"range b 0s 1ms operator aten::add", 400, 300, 100, 0, 0},
	} {
		s := shares(t, trace+kernels+c.text)
		got := []int64{s[attribution.ShareKernels], s[attribution.ShareCopies], s[attribution.ShareOverlap], s[attribution.ShareHiddenKernels], s[attribution.ShareHiddenCopies]}
		want := []int64{c.kernels, c.copies, c.overlap, c.hiddenKernels, c.hiddenCopies}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

// In a whole trace nothing was launched before it: operations without a call are the program's own.
func TestWholeTracesHaveNoCarryIn(t *testing.T) {
	const text = "carry 0s 500us k\n"
	if s := shares(t, trace+text); s[attribution.ShareKernels] != 500 || s[attribution.ShareCarryIn] != 0 {
		t.Errorf("%v", s)
	}
	if s := shares(t, strings.Replace(trace, "nocell\n", "", 1)+text); s[attribution.ShareKernels] != 0 || s[attribution.ShareCarryIn] != 500 {
		t.Errorf("%v", s)
	}
}
