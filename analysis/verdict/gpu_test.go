package verdict_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/inferscope/inferscope/analysis/result"
)

// gpuCell is a loop of n steps of 10 ms: busy percent of each a kernel that the host waits
// for in the driver, then Python on line 3.
func gpuCell(n, busy int) string {
	return fmt.Sprintf(`window 0s %dms
source
for x in xs:
    y = model(x)
    log(x)
end
device 0 H100
thread MainThread main python known period=2ms
stack log log@/home/u/a.py:7 <module>@<cell>:3
line MainThread 0s 1
repeat %d every 10ms
line MainThread 0s 2
kernel MainThread 1us 2us 10us %dus gemm
line MainThread 3us 3
off MainThread 20us %dus %dus gpu_driver
sample MainThread 9500us python stack=log
sample MainThread 9700us python stack=log
end
`, 10*n, n, 100*busy, 100*busy, 100*busy)
}

func TestClassesWithAGPU(t *testing.T) {
	for name, c := range map[string]struct {
		text     string
		class    result.Class
		sentence string
	}{
		"busy": {gpuCell(100, 97), result.GPUBound,
			"the GPU was busy 97% of the cell's 1 s: 97% in `gemm`, launched on line 2 (`y = model(x)`)."},
		"Python between launches": {gpuCell(100, 20), result.CPUBound,
			"The GPU was idle 80% of the cell's 1 s, mostly while the host was running Python in log() of a.py on line 3 (`log(x)`)."},
		"half and half": {gpuCell(100, 50), result.Balanced,
			"The cell's 1 s is shared: the GPU computed for 50% and was idle for 50%, mostly while the host was running Python in log() of a.py on line 3 (`log(x)`)."},
		"copies": {strings.ReplaceAll(gpuCell(100, 70), "kernel MainThread 1us 2us 10us 7000us gemm", "copy MainThread 1us 2us 10us 7ms HtoD pinned device 1000000"),
			result.MemoryTransferBound, "Copies that no kernel covered took 70% of the cell's 1 s: mostly host to device, from pinned memory, launched on line 2 (`y = model(x)`); the GPU was idle 30%, mostly while"},
		"gaps of 10 us between kernels of 1 ms": {`window 0s 404ms
source
run()
end
device 0 H100
thread MainThread main python known period=2ms
line MainThread 0s 1
repeat 400 every 10us
kernel MainThread 0s 5us 10us 20us gemm
end
`, result.Unknown, "What kept the GPU idle"},
		"only the CUDA calls that do not launch": {cellText("call MainThread 1ms 2ms alloc cudaMalloc"), result.CPUBound,
			"70% of the cell's"},
		"launches without operations": {cellText("call MainThread 1ms 2ms launch cudaLaunchKernel"), result.Unknown,
			"The GPU side was not captured"},
		"waits alone, whose kernels could not be seen": {cellText("call MainThread 1ms 2ms sync cuStreamSynchronize\nloss cudaprobe 0 kernels were not seen, only the CUDA calls that launch them"),
			result.Unknown, "The GPU side was not captured"},
		"not captured in part": {gpuCell(100, 97) + "loss cupti 0 GPU work was not captured", result.Unknown,
			"Not all of the GPU's work was captured"},
		"work of an earlier cell": {cellText("carry 0s 900ms gemm"), result.Unknown,
			"The GPU was busy 90% of the cell's 1 s with work that was launched before the cell, which launched none itself."},
		"a little work of an earlier cell": {cellText("carry 0s 10ms gemm"), result.CPUBound, ""},
	} {
		v := decide(parse(t, c.text), result.Overhead{})
		if v.Class != c.class || !strings.Contains(v.Sentence, c.sentence) {
			t.Errorf("%s: %s, %q\nwant %s, %q", name, v.Class, v.Sentence, c.class, c.sentence)
		}
		if v.Confidence != v.Evidence*v.Margin*v.Quality {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func cellText(more string) string { return fmt.Sprintf(loop, "", 9, 9, more) }

// Kernels of 1 ms with gaps of 10 us: nothing is said of the gaps.
func TestShortGapsAreNotIdle(t *testing.T) {
	var b strings.Builder
	b.WriteString("window 0s 404ms\nsource\nrun()\nend\ndevice 0 H100\nthread MainThread main python known period=2ms\nline MainThread 0s 1\n")
	b.WriteString("off MainThread 4ms 404ms 404ms gpu_driver\n")
	for i := range 400 { // all are launched within the first 4 ms, then the host waits for them
		fmt.Fprintf(&b, "kernel MainThread %dus %dus %dus %dus gemm\n", 10*i, 10*i+5, 1010*i+10, 1010*i+1010)
	}
	v := decide(parse(t, b.String()), result.Overhead{})
	if v.Class != result.GPUBound || strings.Contains(v.Sentence, "idle") || !strings.HasPrefix(v.Sentence, "Nothing stands out: the GPU was busy 99%") {
		t.Errorf("%+v", v)
	}
}

func TestCUDAWithoutLaunches(t *testing.T) {
	v := decide(parse(t, cellText("call MainThread 1ms 2ms alloc cudaMalloc\noff MainThread 9960us 9970us 9970us gpu_driver syscall=ioctl")), result.Overhead{})
	if !strings.HasSuffix(v.Sentence, "; CUDA was used, but nothing was launched on the GPU.") || v.Class != result.CPUBound {
		t.Errorf("%+v", v)
	}
}

func TestOtherProcessesLowerQuality(t *testing.T) {
	text := strings.Replace(gpuCell(100, 97), "H100", "H100 pci=a", 1) + "sensors pci=a others=1"
	if v := decide(parse(t, text), result.Overhead{}); v.Quality != 0.9 || v.Class != result.GPUBound {
		t.Errorf("%+v", v)
	}
}

// Operations outlast the cell: the wall reaches to the end of the last.
func TestWorkAfterTheCell(t *testing.T) {
	v := decide(parse(t, `window 0s 100ms
source
y = model(x)
end
device 0 H100
thread MainThread main python known period=2ms
line MainThread 0s 1
repeat 50 every 1ms
kernel MainThread 1us 2us 5ms 6ms gemm
end
kernel MainThread 55ms 56ms 57ms 1s gemm
`), result.Overhead{})
	if v.Class != result.GPUBound || !strings.Contains(v.Sentence, "busy 99% of the cell's 1 s") {
		t.Errorf("%+v", v)
	}
}

// windowed is gpuCell(200, busy) as n windows of 100 ms saw it.
func windowed(busy, n int) string {
	head, _, _ := strings.Cut(gpuCell(200, busy), "repeat")
	var b strings.Builder
	b.WriteString(head)
	for at := 0; at < 2000; at += 10 {
		fmt.Fprintf(&b, "line MainThread %dms 2\n", at)
		if at%(2000/n) < 100 {
			fmt.Fprintf(&b, "kernel MainThread %dus %dus %dus %dus gemm\n", 1000*at+1, 1000*at+2, 1000*at+10, 1000*at+100*busy)
		}
		fmt.Fprintf(&b, "off MainThread %dus %dus %dus gpu_driver\n", 1000*at+20, 1000*at+100*busy, 1000*at+100*busy)
		fmt.Fprintf(&b, "line MainThread %dus 3\nsample MainThread %dus python stack=log\nsample MainThread %dus python stack=log\n",
			1000*at+3, 1000*at+9500, 1000*at+9700)
	}
	for i := range n {
		fmt.Fprintf(&b, "captured %dms %dms missed=%d\n", i*2000/n, i*2000/n+100, min(i, 1)*(200/n-10))
	}
	return b.String()
}

// Windows change neither the class nor what it is put down to; what they leave open lowers the evidence.
func TestWindowsKeepTheVerdict(t *testing.T) {
	for name, busy := range map[string]int{"busy": 97, "idle": 20} {
		whole := decide(parse(t, gpuCell(200, busy)), result.Overhead{})
		for _, n := range []int{10, 4, 2, 1} {
			v := decide(parse(t, windowed(busy, n)), result.Overhead{})
			if v.Leaning != whole.Class || v.TopCause.Kind != whole.TopCause.Kind || !strings.Contains(v.Sentence, "about") {
				t.Errorf("%s, %d windows: %s, %q\nwant %s, %q", name, n, v.Class, v.Sentence, whole.Class, whole.Sentence)
			}
			if v.Evidence > whole.Evidence+0.001 || !strings.Contains(v.EvidenceWhy, fmt.Sprintf("estimated from %d window", n)) {
				t.Errorf("%s, %d windows: evidence %v, %q", name, n, v.Evidence, v.EvidenceWhy)
			}
			if sure := v.Evidence > 0.9*whole.Evidence; sure != (n > 2) {
				t.Errorf("%s, %d windows: evidence %v, of the whole cell %v", name, n, v.Evidence, whole.Evidence)
			}
		}
	}
}

// Kernels that are known to have been launched, and none of which was seen, leave the verdict open.
func TestKernelsBetweenWindows(t *testing.T) {
	v := decide(parse(t, cellText("captured 0s 100ms\ncaptured 900ms 1s missed=5000\ncall MainThread 10ms 11ms alloc cudaMalloc")), result.Overhead{})
	if v.Class != result.Unknown || v.Leaning != result.Unknown {
		t.Errorf("%+v", v)
	}
}

// What kept the GPU idle is told with its share of the cell where there is more than one cause, and no "while" holds another.
func TestSentencesOfIdleTime(t *testing.T) {
	const cell = "window 0s 1s\nsource\nfor x in xs:\n    y = model(x)\n    step(y)\nend\ndevice 0 H100\n" +
		"thread MainThread main python known\nthread keeper python known\nline MainThread 0s 1\n"
	for name, c := range map[string]struct{ steps, want string }{
		// Each kernel begins 10 us after its launch, which takes 6.
		"launches on their way": {"line MainThread 1us 2\nrepeat 50000 every 20us\nkernel MainThread 2us 8us 18us 20us add\nend",
			"The GPU was idle 90% of the cell's 1 s: 50% of the cell because work was on its way to it, launched on line 2 (`y = model(x)`); " +
				"30% while the host was running framework code on the same line."},
		"a lock and its holder": {"repeat 100 every 10ms\nline MainThread 1us 2\nkernel MainThread 2us 9us 10us 1ms gemm\nline MainThread 10us 3\n" +
			"off MainThread 1ms 9ms 9ms lock waker=keeper\noff keeper 10us 8990us 8990us sleep\nend",
			"mostly while the host was waiting for a lock on line 3 (`step(y)`) and thread \"keeper\" was asleep."},
	} {
		if v := decide(parse(t, cell+c.steps), result.Overhead{}); !strings.HasSuffix(v.Sentence, c.want) {
			t.Errorf("%s: %q", name, v.Sentence)
		}
	}
}
